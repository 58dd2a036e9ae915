// Rows: create, read, update, upsert, delete, and what happens to single bad ones.
'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { ResourceNotFoundError, InvalidPayloadError } = require('@botpress/client')
const { serve, thrown } = require('./harness')

const server = serve(test)

async function people(more = {}) {
  const client = server.client()
  await client.createTable({
    name: 'peopleTable',
    schema: { name: { type: 'string' }, age: { type: 'number' }, born: { type: 'string', format: 'date-time' }, extra: { type: 'object' } },
    ...more,
  })
  return client
}

const table = 'peopleTable'

test('created rows come back whole, with integer ids and empty computed', async () => {
  const client = await people()
  const { rows, warnings, errors } = await client.createTableRows({
    table,
    rows: [{ name: 'Ann', age: 31, extra: { tags: ['a', { b: null }] } }, { name: 'Bob' }, {}],
  })
  assert.deepEqual([warnings ?? [], errors ?? []], [[], []])
  assert.equal(rows.length, 3)
  const [ann, bob, nobody] = rows
  assert.ok(rows.every((row) => Number.isInteger(row.id) && row.id > 0))
  assert.equal(new Set(rows.map((row) => row.id)).size, 3)
  assert.deepEqual([ann.name, ann.age, ann.extra], ['Ann', 31, { tags: ['a', { b: null }] }])
  assert.deepEqual([bob.name, bob.age, bob.born, bob.extra], ['Bob', null, null, null])
  assert.equal(nobody.name, null)
  assert.ok(rows.every((row) => JSON.stringify(row.computed) === '{}'))
  assert.ok(rows.every((row) => !Number.isNaN(Date.parse(row.createdAt)) && row.createdAt === row.updatedAt))
  assert.deepEqual((await client.getTableRow({ table, id: ann.id })).row, ann)
  assert.equal((await client.getTable({ table })).rows, 3)
})

test('text of any kind survives', async () => {
  const client = await people()
  const texts = ['', ' ', 'ünï 日本語 😀', 'line\nbreak\t"quote" \\ \u0000 end', "'; drop table --", '{{x}}', 'null', '0']
  const { rows } = await client.createTableRows({ table, rows: texts.map((name) => ({ name })) })
  assert.deepEqual(rows.map((row) => row.name), texts)
  assert.deepEqual((await client.findTableRows({ table })).rows.map((row) => row.name), texts)
  for (const name of texts) {
    assert.deepEqual((await client.findTableRows({ table, filter: { name } })).rows.map((row) => row.name), [name])
  }
  const numbers = [0, -1, 1.5, 1e15, 9007199254740991, -2.5e-7, 1e300]
  const made = await client.createTableRows({ table, rows: numbers.map((age) => ({ age })) })
  assert.deepEqual(made.rows.map((row) => row.age), numbers)
})

test('unknown columns are warned of and not stored; bad rows do not stop good ones', async () => {
  const client = await people()
  const unknown = await client.createTableRows({ table, rows: [{ name: 'Ann', shoe: 42 }] })
  assert.equal(unknown.rows.length, 1)
  assert.equal('shoe' in unknown.rows[0], false)
  assert.match(unknown.warnings.join(), /shoe/)
  const mixed = await client.createTableRows({
    table,
    rows: [{ name: 'ok 1' }, { name: 7 }, { age: 'old' }, { born: 'yesterday' }, { name: 'ok 2' }],
  })
  assert.deepEqual(mixed.rows.map((row) => row.name), ['ok 1', 'ok 2'])
  assert.equal(mixed.errors.length, 3)
  assert.ok(mixed.errors.every((error) => typeof error === 'string'))
  assert.match(mixed.errors[0], /name/)
  assert.match(mixed.errors[1], /age/)
  assert.match(mixed.errors[2], /born/)
  const none = await client.createTableRows({ table, rows: [{ age: 'x' }] })
  assert.deepEqual(none.rows, [])
  assert.equal((await client.getTable({ table })).rows, 3)
})

test('batches hold 1 to 1000 rows', async () => {
  const client = await people()
  const rows = Array.from({ length: 1001 }, (_, age) => ({ age }))
  for (const bad of [[], rows]) {
    assert.ok((await thrown(client.createTableRows({ table, rows: bad }))) instanceof InvalidPayloadError)
  }
  const made = await client.createTableRows({ table, rows: rows.slice(0, 1000) })
  assert.deepEqual(made.rows.map((row) => row.age), rows.slice(0, 1000).map((row) => row.age))
  const ids = made.rows.map((row) => row.id)
  assert.deepEqual(ids, [...ids].sort((a, b) => a - b))
})

test('update changes what it names and touches nothing else', async () => {
  const client = await people()
  const { rows } = await client.createTableRows({ table, rows: [{ name: 'Ann', age: 1 }, { name: 'Bob', age: 2 }] })
  const [ann, bob] = rows
  const { rows: updated, errors } = await client.updateTableRows({
    table,
    rows: [{ id: ann.id, age: 10 }, { id: bob.id, name: null }],
  })
  assert.deepEqual(errors ?? [], [])
  assert.deepEqual(updated.map((row) => [row.id, row.name, row.age]), [[ann.id, 'Ann', 10], [bob.id, null, 2]])
  assert.equal(updated[0].createdAt, ann.createdAt)
  assert.ok(updated[0].updatedAt >= ann.updatedAt)
  const partly = await client.updateTableRows({ table, rows: [{ id: 99999, age: 1 }, { id: ann.id, age: 11 }] })
  assert.deepEqual(partly.rows.map((row) => row.age), [11])
  assert.equal(partly.errors.length, 1)
  assert.match(partly.errors[0], /99999/)
  assert.equal((await client.getTableRow({ table, id: ann.id })).row.age, 11)
})

test('upsert by id and by key column counts inserted and updated', async () => {
  const client = await people()
  const first = await client.upsertTableRows({
    table,
    keyColumn: 'name',
    rows: [{ name: 'Ann', age: 1 }, { name: 'Bob', age: 2, extra: { x: 1 } }],
  })
  assert.deepEqual([first.inserted.length, first.updated.length], [2, 0])
  const second = await client.upsertTableRows({ table, keyColumn: 'name', rows: [{ name: 'Bob', age: 20 }, { name: 'Cid', age: 3 }] })
  assert.deepEqual([second.inserted.map((row) => row.name), second.updated.map((row) => row.name)], [['Cid'], ['Bob']])
  const bob = second.updated[0]
  assert.equal(bob.id, first.inserted[1].id)
  assert.deepEqual([bob.age, bob.extra], [20, { x: 1 }], 'absent columns stay')
  const byId = await client.upsertTableRows({ table, rows: [{ id: bob.id, age: 21 }, { name: 'Dan' }] })
  assert.deepEqual([byId.updated[0].age, byId.updated[0].name, byId.inserted[0].name], [21, 'Bob', 'Dan'])
  assert.equal((await client.getTable({ table })).rows, 4)

  await client.createTableRows({ table, rows: [{ name: 'Twin' }, { name: 'Twin' }] })
  const twins = await client.upsertTableRows({ table, keyColumn: 'name', rows: [{ name: 'Twin', age: 9 }, { name: 'Eve' }] })
  assert.equal(twins.errors.length, 1, 'two matches are an error for that row')
  assert.deepEqual(twins.inserted.map((row) => row.name), ['Eve'])
  const unknown = await thrown(client.upsertTableRows({ table, keyColumn: 'nope', rows: [{ name: 'x' }] }))
  assert.equal(unknown.code, 400)
})

test('a key column stays unique under racing upserts', async () => {
  const client = await people({ keyColumn: 'name' })
  const twice = await client.createTableRows({ table, rows: [{ name: 'k', age: 1 }, { name: 'k', age: 2 }] })
  assert.deepEqual(twice.rows.map((row) => row.age), [1])
  assert.equal(twice.errors.length, 1)
  const names = Array.from({ length: 20 }, (_, i) => `key ${i}`)
  const race = async (age) => client.upsertTableRows({ table, keyColumn: 'name', rows: names.map((name) => ({ name, age })) })
  const outcomes = await Promise.all(Array.from({ length: 10 }, (_, i) => race(i)))
  const inserted = outcomes.flatMap((outcome) => outcome.inserted.map((row) => row.name))
  assert.deepEqual(inserted.sort(), [...names].sort(), 'each key was inserted once')
  assert.equal(outcomes.flatMap((outcome) => outcome.updated).length, 180)
  assert.equal((await client.getTable({ table })).rows, 21)
})

test('rows are deleted by ids, by filter, all at once, and ids never return', async () => {
  const client = await people()
  const { rows } = await client.createTableRows({ table, rows: Array.from({ length: 10 }, (_, age) => ({ age })) })
  const ids = rows.map((row) => row.id)
  assert.equal((await client.deleteTableRows({ table, ids: [ids[0], ids[1], 99999] })).deletedRows, 2)
  assert.ok((await thrown(client.getTableRow({ table, id: ids[0] }))) instanceof ResourceNotFoundError)
  assert.equal((await client.deleteTableRows({ table, filter: { age: { $gte: 7 } } })).deletedRows, 3)
  assert.deepEqual((await client.findTableRows({ table })).rows.map((row) => row.age), [2, 3, 4, 5, 6])
  assert.equal((await client.deleteTableRows({ table, deleteAllRows: true })).deletedRows, 5)
  assert.deepEqual((await client.findTableRows({ table })).rows, [])
  assert.equal((await client.getTable({ table })).rows, 0)
  const again = (await client.createTableRows({ table, rows: [{ age: 1 }] })).rows[0].id
  assert.ok(again > Math.max(...ids))
  for (const bad of [{}, { ids: [1], deleteAllRows: true }, { filter: {}, ids: [1] }, { deleteAllRows: false }]) {
    assert.equal((await thrown(client.deleteTableRows({ table, ...bad }))).code, 400, JSON.stringify(bad))
  }
  assert.equal((await client.getTable({ table })).rows, 1, 'nothing was deleted by the bad calls')
})

test('limit, offset, hasMore, order and select', async () => {
  const client = await people()
  const rows = Array.from({ length: 25 }, (_, i) => ({ name: `n${String((i * 7) % 25).padStart(2, '0')}`, age: i % 5, extra: { city: i % 2 ? 'Rome' : 'Oslo', zip: i } }))
  await client.createTableRows({ table, rows })
  const first = await client.findTableRows({ table, limit: 10 })
  assert.deepEqual([first.rows.length, first.hasMore, first.limit, first.offset], [10, true, 10, 0])
  assert.equal('count' in first, false)
  const last = await client.findTableRows({ table, limit: 10, offset: 20 })
  assert.deepEqual([last.rows.length, last.hasMore, last.offset], [5, false, 20])
  const exact = await client.findTableRows({ table, limit: 25 })
  assert.deepEqual([exact.rows.length, exact.hasMore], [25, false])
  assert.equal((await client.findTableRows({ table })).limit, 100)
  assert.deepEqual((await client.findTableRows({ table, offset: 1000 })).rows, [])

  const byName = (await client.findTableRows({ table, orderBy: 'name', limit: 3 })).rows.map((row) => row.name)
  assert.deepEqual(byName, ['n00', 'n01', 'n02'])
  const down = (await client.findTableRows({ table, orderBy: 'name', orderDirection: 'desc', limit: 2, offset: 1 })).rows
  assert.deepEqual(down.map((row) => row.name), ['n23', 'n22'])
  const ties = (await client.findTableRows({ table, orderBy: 'age', limit: 6 })).rows
  assert.deepEqual(ties.map((row) => row.age), [0, 0, 0, 0, 0, 1])
  assert.deepEqual(ties.slice(0, 5).map((row) => row.id), ties.slice(0, 5).map((row) => row.id).sort((a, b) => a - b))
  const newest = (await client.findTableRows({ table, orderBy: 'id', orderDirection: 'desc', limit: 1 })).rows[0]
  assert.equal(newest.extra.zip, 24)

  const [slim] = (await client.findTableRows({ table, select: ['age'], limit: 1 })).rows
  assert.deepEqual(Object.keys(slim).sort(), ['age', 'computed', 'createdAt', 'id', 'updatedAt'])
  const [nested] = (await client.findTableRows({ table, select: ['extra.city', 'name'], limit: 1 })).rows
  assert.deepEqual(nested.extra, { city: 'Oslo' })
  assert.equal('age' in nested, false)
  for (const bad of [{ limit: 0 }, { limit: 1001 }, { offset: -1 }, { orderBy: 'nope' }, { select: ['nope'] }, { orderDirection: 'up' }]) {
    assert.equal((await thrown(client.findTableRows({ table, ...bad }))).code, 400, JSON.stringify(bad))
  }
})

test('rows survive a restart of the server', async () => {
  const bot = 'bot_restart'
  const client = server.client(bot)
  await client.createTable({ name: table, schema: { n: { type: 'number' } }, keyColumn: 'n' })
  const { rows } = await client.createTableRows({ table, rows: Array.from({ length: 50 }, (_, n) => ({ n })) })
  await client.deleteTableRows({ table, ids: [rows[49].id] })
  const { file } = await client.uploadFile({ key: 'f.txt', content: 'still here', metadata: { a: [1] } })
  assert.deepEqual(await server.stop(), { code: 0, signal: null }, 'SIGTERM ends the server cleanly')
  await server.start()
  const after = server.client(bot)
  const found = await after.findTableRows({ table, limit: 1000 })
  assert.deepEqual(found.rows, rows.slice(0, 49))
  const [next] = (await after.createTableRows({ table, rows: [{ n: 49 }] })).rows
  assert.ok(next.id > rows[49].id, 'the id of a deleted row is not given again')
  const clash = await after.createTableRows({ table, rows: [{ n: 3 }] })
  assert.equal(clash.errors.length, 1)
  const got = (await after.getFile({ id: file.id })).file
  assert.deepEqual(got.metadata, { a: [1] })
  assert.equal(await (await fetch(got.url)).text(), 'still here')
})
