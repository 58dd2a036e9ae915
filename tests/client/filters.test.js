// The filter language and groups: every operator with the rows it must find.
'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { InvalidQueryError } = require('@botpress/client')
const { serve, thrown } = require('./harness')

const server = serve(test)
const table = 'itemTable'

// One letter per row: a case lists the letters it expects.
const ROWS = [
  { k: 'a', name: 'Alpha', n: 1, ok: true, due: '2024-01-01T00:00:00.000Z', list: ['red', 'blue'], obj: { city: 'Oslo', deep: { x: 1 } } },
  { k: 'b', name: 'beta', n: 2, ok: false, due: '2024-01-01T12:30:00.000Z', list: ['red'], obj: { city: 'Rome' } },
  { k: 'c', name: 'Beta two', n: 3.5, ok: true, due: '2024-06-30T23:59:59.000Z', list: [], obj: { city: 'Oslo', deep: { x: 2 } } },
  { k: 'd', name: null, n: null, ok: null, due: null, list: null, obj: null },
  { k: 'e', name: 'a.c', n: -4, ok: false, due: '2023-12-31T23:00:00.000Z', list: ['green', 'blue', 'red'], obj: { people: [{ age: 5 }, { age: 50 }] } },
  { k: 'f', name: '', n: 0, ok: true, list: [1, 2, 3] },
]
const COLUMNS = {
  type: 'object',
  properties: {
    k: { type: 'string' },
    name: { type: 'string' },
    n: { type: 'number' },
    ok: { type: 'boolean' },
    due: { type: 'string', format: 'date-time' },
    list: { type: 'array' },
    obj: { type: 'object' },
  },
}

const CASES = [
  [{}, 'abcdef'],
  // Equality
  [{ name: 'beta' }, 'b'],
  [{ name: { $eq: 'beta' } }, 'b'],
  [{ name: '' }, 'f'],
  [{ n: 0 }, 'f'],
  [{ n: 3.5 }, 'c'],
  [{ ok: true }, 'acf'],
  [{ ok: false }, 'be'],
  [{ name: null }, 'd'],
  [{ n: null }, 'd'],
  [{ due: null }, 'df'],
  [{ obj: null }, 'df'],
  // Missing values are "not equal"
  [{ name: { $ne: 'beta' } }, 'acdef'],
  [{ ok: { $ne: true } }, 'bde'],
  [{ n: { $ne: null } }, 'abcef'],
  // Order
  [{ n: { $gt: 1 } }, 'bc'],
  [{ n: { $gte: 1 } }, 'abc'],
  [{ n: { $lt: 1 } }, 'ef'],
  [{ n: { $lte: 1 } }, 'aef'],
  [{ n: { $gt: 0, $lt: 3 } }, 'ab'],
  [{ n: { gte: 2 } }, 'bc'],
  [{ name: { $gt: 'a' } }, 'be'],
  // Lists of values
  [{ n: { $in: [1, 2, 99] } }, 'ab'],
  [{ n: { $in: [] } }, ''],
  [{ n: { $in: [1, null] } }, 'ad'],
  [{ n: { $nin: [1, 2] } }, 'cdef'],
  [{ name: { $in: ['beta', 'a.c'] } }, 'be'],
  // Presence
  [{ name: { $exists: true } }, 'abcef'],
  [{ name: { $exists: false } }, 'd'],
  [{ due: { $exists: false } }, 'df'],
  // Remainder
  [{ n: { $mod: [2, 0] } }, 'bef'],
  [{ n: { $mod: [2, 1] } }, 'ac'],
  // Patterns
  [{ name: { $regex: '^Be' } }, 'c'],
  [{ name: { $regex: '^be', $options: 'i' } }, 'bc'],
  [{ name: { $regex: '^be', $options: 'c' } }, 'b'],
  [{ name: { $regex: 'a.c' } }, 'e'],
  [{ name: { $regex: '^$' } }, 'f'],
  // Dates: exact, by day, as the client sends Date objects
  [{ due: { $gte: '2024-01-01' } }, 'abc'],
  [{ due: { $lt: '2024-01-01' } }, 'e'],
  // A date alone is its whole day.
  [{ due: '2024-01-01' }, 'ab'],
  [{ due: { $gt: '2024-01-01T12:00:00Z', $lt: '2024-12-31' } }, 'bc'],
  [{ due: { $eq: '2024-01-01T13:30:00+01:00' } }, 'b'],
  [{ due: { $gte: new Date(Date.UTC(2024, 5, 30)) } }, 'c'],
  // System columns
  [{ createdAt: { $gte: '2020-01-01' } }, 'abcdef'],
  [{ updatedAt: { gte: '2999-01-01' } }, ''],
  [{ id: { $gt: 0 } }, 'abcdef'],
  // Arrays
  [{ list: 'red' }, 'abe'],
  [{ list: ['red'] }, 'b'],
  [{ list: { $size: 3 } }, 'ef'],
  [{ list: { $size: 0 } }, 'c'],
  [{ list: { $in: ['green', 2] } }, 'ef'],
  [{ list: { $ne: 'red' } }, 'cdf'],
  [{ 'list.0': 'red' }, 'ab'],
  [{ 'list.1': 'blue' }, 'ae'],
  // Paths into objects
  [{ 'obj.city': 'Oslo' }, 'ac'],
  [{ 'obj.deep.x': { $gte: 2 } }, 'c'],
  [{ 'obj.deep.x': { $exists: true } }, 'ac'],
  [{ 'obj.deep': { x: 1 } }, 'a'],
  [{ 'obj.people.age': { $gt: 40 } }, 'e'],
  [{ 'obj.city': { $regex: '^o', $options: 'i' } }, 'ac'],
  // Joining conditions
  [{ ok: true, n: { $gt: 0 } }, 'ac'],
  [{ $and: [{ ok: true }, { n: { $gt: 0 } }] }, 'ac'],
  [{ $or: [{ name: 'beta' }, { n: { $lt: 0 } }] }, 'be'],
  [{ $or: [{ n: 1 }, { $and: [{ ok: false }, { n: 2 }] }] }, 'ab'],
  [{ $not: { ok: true } }, 'bde'],
  [{ name: { $not: { $regex: 'eta' } } }, 'adef'],
  [{ n: { $not: { $gt: 1 } } }, 'adef'],
  [{ n: { $or: [{ $lt: 0 }, { $gt: 3 }] } }, 'ce'],
  [{ $not: { $or: [{ ok: true }, { n: null }] } }, 'be'],
]

async function items() {
  const client = server.client()
  await client.createTable({ name: table, schema: COLUMNS })
  const { rows, errors } = await client.createTableRows({ table, rows: ROWS })
  assert.deepEqual([rows.length, errors ?? []], [ROWS.length, []])
  return client
}

test('each operator finds exactly its rows', async (t) => {
  const client = await items()
  for (const [filter, expected] of CASES) {
    await t.test(`${JSON.stringify(filter)} finds "${expected}"`, async () => {
      const { rows, hasMore } = await client.findTableRows({ table, filter })
      assert.equal(rows.map((row) => row.k).join(''), expected)
      assert.equal(hasMore, false)
    })
  }
})

test('deleting by a filter deletes what finding with it shows', async () => {
  const client = await items()
  const filter = { $or: [{ 'obj.city': 'Oslo' }, { name: null }] }
  assert.equal((await client.findTableRows({ table, filter })).rows.length, 3)
  assert.equal((await client.deleteTableRows({ table, filter })).deletedRows, 3)
  assert.equal((await client.findTableRows({ table })).rows.map((row) => row.k).join(''), 'bef')
})

test('filters follow later writes', async () => {
  const client = await items()
  const find = async (filter) => (await client.findTableRows({ table, filter })).rows.map((row) => row.k).join('')
  const [a] = (await client.findTableRows({ table, filter: { k: 'a' } })).rows
  assert.equal(await find({ n: 1 }), 'a')
  await client.updateTableRows({ table, rows: [{ id: a.id, n: 2 }] })
  assert.equal(await find({ n: 1 }), '')
  assert.equal(await find({ n: 2 }), 'ab')
  await client.createTableRows({ table, rows: [{ k: 'g', n: 2 }] })
  assert.equal(await find({ n: 2 }), 'abg')
  await client.deleteTableRows({ table, ids: [a.id] })
  assert.equal(await find({ n: 2 }), 'bg')
})

test('bad filters are refused by name', async () => {
  const client = await items()
  let deep = { n: 1 }
  for (let i = 0; i < 40; i++) deep = { $not: deep }
  const cases = [
    [{ nope: 1 }, /nope/],
    [{ n: { $near: 1 } }, /\$near/],
    [{ $where: 'true' }, /\$where/],
    [{ n: 'text' }, /n/],
    [{ ok: { $gt: 'x' } }, /ok/],
    [{ name: { $regex: '(' } }, /pattern|regex/],
    [{ name: { $regex: 'a', $options: 'z' } }, /options/],
    [{ n: { $mod: [0, 1] } }, /\$mod/],
    [{ n: { $in: 5 } }, /\$in/],
    [{ $or: [] }, /\$or/],
    [{ $and: { n: 1 } }, /\$and/],
    [{ due: 'tomorrow' }, /date/],
    [{ list: { $size: -1 } }, /\$size/],
    [{ n: { $exists: 'yes' } }, /\$exists/],
    [{ n: { $in: Array(10_001).fill(1) } }, /10000|10,000/],
    [deep, /32|nest|deep/],
  ]
  for (const [filter, about] of cases) {
    const error = await thrown(client.findTableRows({ table, filter }))
    assert.ok(error instanceof InvalidQueryError, `${JSON.stringify(filter).slice(0, 60)}: ${error.type} ${error.message}`)
    assert.match(error.message, about)
  }
})

test('groups: keys, counts, sums and their names', async () => {
  const client = server.client()
  await client.createTable({
    name: 'saleTable',
    schema: { city: { type: 'string' }, age: { type: 'number' }, ok: { type: 'boolean' }, obj: { type: 'object' } },
  })
  await client.createTableRows({
    table: 'saleTable',
    rows: [
      { city: 'Oslo', age: 10, ok: true, obj: { city: 'X' } },
      { city: 'Oslo', age: 20, ok: false, obj: { city: 'Y' } },
      { city: 'Rome', age: 5, ok: true, obj: { city: 'X' } },
      { city: 'Rome', age: null, ok: true, obj: { city: 'X' } },
      { city: 'Oslo', age: 20, ok: true, obj: null },
    ],
  })
  const group = async (input) => client.findTableRows({ table: 'saleTable', ...input })

  const byCity = (await group({ group: { city: 'key', age: ['sum', 'count', 'avg', 'min', 'max'] } })).rows
  assert.deepEqual(byCity, [
    { cityKey: 'Oslo', ageSum: 50, ageCount: 3, ageAvg: 50 / 3, ageMin: 10, ageMax: 20 },
    { cityKey: 'Rome', ageSum: 5, ageCount: 1, ageAvg: 5, ageMin: 5, ageMax: 5 },
  ])
  assert.deepEqual((await group({ group: { age: ['sum', 'max'], city: 'count' } })).rows, [{ ageSum: 55, ageMax: 20, cityCount: 5 }])
  assert.deepEqual((await group({ group: { age: 'sum' }, filter: { city: 'Nowhere' } })).rows.length, 1)

  const okKeys = (await group({ group: { ok: 'key', city: 'unique' } })).rows
  const unique = Object.fromEntries(okKeys.map((row) => [row.okKey, [...row.cityUnique].sort()]))
  assert.deepEqual(unique, { true: ['Oslo', 'Rome'], false: ['Oslo'] })

  const nested = (await group({ group: { 'obj.city': 'key', age: 'sum' } })).rows
  const sums = Object.fromEntries(nested.map((row) => [row.objCityKey, row.ageSum]))
  assert.deepEqual(sums, { X: 15, Y: 20, null: 20 })

  const filtered = (await group({ group: { city: 'key', age: 'sum' }, filter: { ok: true } })).rows
  assert.deepEqual(filtered, [{ cityKey: 'Oslo', ageSum: 30 }, { cityKey: 'Rome', ageSum: 5 }])
  const page = await group({ group: { city: 'key' }, limit: 1 })
  assert.deepEqual([page.rows.length, page.hasMore], [1, true])
  const rest = await group({ group: { city: 'key' }, limit: 1, offset: 1 })
  assert.deepEqual([rest.rows, rest.hasMore], [[{ cityKey: 'Rome' }], false])
  const bad = await thrown(group({ group: { city: 'median' } }))
  assert.ok(bad instanceof InvalidQueryError)
  assert.ok((await thrown(group({ group: { nope: 'key' } }))) instanceof InvalidQueryError)
})

test('a filter over ten thousand rows finds what counting by hand finds', async () => {
  const client = server.client()
  await client.createTable({ name: 'bigTable', schema: { n: { type: 'number' }, word: { type: 'string' } } })
  const all = Array.from({ length: 10_000 }, (_, n) => ({ n, word: `w${n % 97}` }))
  for (let at = 0; at < all.length; at += 1000) {
    await client.createTableRows({ table: 'bigTable', rows: all.slice(at, at + 1000) })
  }
  const expected = all.filter((row) => row.n % 3 === 1 && row.word === 'w5' && row.n > 2000).map((row) => row.n)
  const filter = { n: { $mod: [3, 1], $gt: 2000 }, word: 'w5' }
  const { rows } = await client.findTableRows({ table: 'bigTable', filter, limit: 1000 })
  assert.deepEqual(rows.map((row) => row.n), expected)
  const top = await client.findTableRows({ table: 'bigTable', filter: { word: 'w5' }, orderBy: 'n', orderDirection: 'desc', limit: 3 })
  assert.deepEqual(top.rows.map((row) => row.n), all.filter((row) => row.word === 'w5').map((row) => row.n).slice(-3).reverse())
  assert.equal(top.hasMore, true)
  const [{ nSum, wordCount }] = (await client.findTableRows({ table: 'bigTable', group: { n: 'sum', word: 'count' } })).rows
  assert.deepEqual([nSum, wordCount], [49_995_000, 10_000])
})
