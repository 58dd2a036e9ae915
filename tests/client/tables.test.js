// Tables: names, the three schema shapes, what the ADK really sends, change and removal.
'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { AlreadyExistsError, InvalidPayloadError, LimitExceededError, ResourceNotFoundError } = require('@botpress/client')
const { serve, newBot, thrown } = require('./harness')

const server = serve(test)

const types = (table) =>
  Object.fromEntries(Object.entries(table.schema.properties).map(([name, column]) => [name, column.type]))

test('a table is created, shown, listed and deleted', async () => {
  const client = server.client()
  const { table } = await client.createTable({
    name: 'peopleTable',
    schema: { type: 'object', properties: { name: { type: 'string' }, age: { type: 'number' } } },
    tags: { 'x-studio-title': 'People' },
  })
  assert.match(table.id, /^table_[0-9A-HJKMNP-TV-Z]{26}$/)
  assert.equal(table.name, 'peopleTable')
  assert.equal(table.factor, 1)
  assert.equal(table.frozen, false)
  assert.equal(table.keyColumn ?? null, null)
  assert.deepEqual(table.tags, { 'x-studio-title': 'People' })
  assert.equal(table.schema.type, 'object')
  assert.equal(table.schema.additionalProperties, true)
  assert.deepEqual(types(table), { name: 'string', age: 'number' })
  const indexes = Object.values(table.schema.properties).map((column) => column['x-zui'].index)
  assert.ok(indexes.every(Number.isInteger))
  assert.equal(new Set(indexes).size, 2)
  assert.ok(!Number.isNaN(Date.parse(table.createdAt)))

  const byName = await client.getTable({ table: 'peopleTable' })
  const byId = await client.getTable({ table: table.id })
  assert.deepEqual(byName, byId)
  assert.deepEqual([byName.rows, byName.stale, byName.indexing], [0, 0, 0])
  assert.deepEqual(byName.table, table)
  assert.deepEqual((await client.listTables({})).tables, [table])
  assert.deepEqual(await client.deleteTable({ table: 'peopleTable' }), {})
  assert.ok((await thrown(client.getTable({ table: table.id }))) instanceof ResourceNotFoundError)
  assert.deepEqual(await client.listTables({}), { tables: [] })
  await client.createTable({ name: 'peopleTable', schema: { other: { type: 'boolean' } } })
  assert.equal((await client.getTable({ table: 'peopleTable' })).rows, 0, 'the name is free again, without rows')
})

test('three schema shapes give the same table', async () => {
  const client = server.client()
  const expected = { name: 'string', n: 'number', ok: 'boolean', list: 'array', obj: 'object' }
  const shapes = {
    jsonSchemaTable: {
      type: 'object',
      additionalProperties: false,
      required: [],
      'x-zui': {},
      properties: {
        name: { type: 'string' },
        n: { type: 'number' },
        ok: { type: 'boolean' },
        list: { type: 'array', items: { type: 'string' } },
        obj: { type: 'object', properties: { city: { type: 'string' } } },
      },
    },
    columnMapTable: {
      name: { type: 'string', 'x-zui': { searchable: true } },
      n: { type: 'number' },
      ok: { type: 'boolean' },
      list: { type: 'array', items: { type: 'string' } },
      obj: { type: 'object', properties: { city: { type: 'string' } } },
    },
    exampleTable: { name: 'test', n: 1, ok: true, list: ['a'], obj: { city: 'Riga' } },
  }
  for (const [name, schema] of Object.entries(shapes)) {
    const { table } = await client.createTable({ name, schema })
    assert.deepEqual(types(table), expected, name)
    const row = { name: 'x', n: 1.5, ok: false, list: ['p', 'q'], obj: { city: 'Oslo' } }
    const { rows } = await client.createTableRows({ table: name, rows: [row] })
    const { name: gotName, n, ok, list, obj } = rows[0]
    assert.deepEqual({ name: gotName, n, ok, list, obj }, row, name)
  }
  const searchable = (await client.getTable({ table: 'columnMapTable' })).table.schema.properties.name['x-zui'].searchable
  assert.equal(searchable, true)
})

test('columns as the ADK emits them', async () => {
  const client = server.client()
  const { table } = await client.createTable({
    name: 'adkTable',
    schema: {
      type: 'object',
      'x-zui': {},
      additionalProperties: false,
      properties: {
        count: { type: 'integer', exclusiveMinimum: true, minimum: 0 },
        anything: { 'x-zui': {} },
        either: { anyOf: [{ type: 'string' }, { type: 'number' }] },
        pair: { type: 'array', items: [{ type: 'string' }, { type: 'number' }] },
        state: { type: 'string', enum: ['open', 'done'] },
        mail: { type: 'string', format: 'email' },
        due: { type: 'string', format: 'date-time' },
        maybe: { type: 'string', nullable: true },
        nested: {
          type: 'object',
          properties: { a: { type: 'string' } },
          required: ['a'],
          additionalProperties: false,
        },
        total: { type: 'number', 'x-zui': { computed: { action: 'code', dependencies: ['count'], code: 'row.count * 2' } } },
        'My Old Column Name': { type: 'string' },
      },
    },
  })
  const allowed = ['string', 'number', 'boolean', 'object', 'array', 'null']
  for (const [name, column] of Object.entries(table.schema.properties)) {
    assert.ok(allowed.includes(column.type), `${name} has type ${column.type}`)
    assert.ok(Number.isInteger(column['x-zui'].index), name)
  }
  const got = types(table)
  assert.deepEqual([got.count, got.pair, got.state, got.due, got.nested], ['number', 'array', 'string', 'string', 'object'])
  assert.equal(table.schema.properties.due.format, 'date-time')
  assert.deepEqual(table.schema.properties.state.enum, ['open', 'done'])

  const row = {
    count: 3,
    anything: { deep: [1, 'x', null] },
    either: 'text',
    pair: ['a', 1],
    state: 'open',
    mail: 'a@example.org',
    due: '2026-05-01T10:00:00.000Z',
    nested: { a: 'b' },
    'My Old Column Name': 'kept',
  }
  const { rows, errors } = await client.createTableRows({ table: 'adkTable', rows: [row, { ...row, either: 7 }] })
  assert.deepEqual(errors ?? [], [])
  for (const [name, value] of Object.entries(row)) assert.deepEqual(rows[0][name], value, name)
  assert.equal(rows[1].either, 7)
  assert.equal(rows[0].maybe, null)
  const wrong = await client.createTableRows({ table: 'adkTable', rows: [{ state: 'nope' }] })
  assert.equal(wrong.rows.length, 0)
  assert.match(wrong.errors[0], /state/)
})

test('bad names and schemas are refused with the reason', async () => {
  const client = server.client()
  const refused = async (input, about) => {
    const error = await thrown(client.createTable(input))
    assert.equal(error.code, 400, `${JSON.stringify(input)}: ${error.type}`)
    assert.match(error.message, about)
  }
  const schema = { a: { type: 'string' } }
  for (const name of ['people', '1xTable', 'a bTable', 'a-bTable', `${'x'.repeat(46)}Table`]) {
    await refused({ name, schema }, /Table/)
  }
  await refused({ name: 'okTable', schema: { type: 'object', properties: { a: { type: 'colour' } } } }, /colour/)
  for (const column of ['id', 'createdAt', 'updatedAt', 'computed', 'stale', 'similarity']) {
    await refused({ name: 'okTable', schema: { [column]: { type: 'string' } } }, new RegExp(column))
  }
  await refused({ name: 'okTable', schema: { ['x'.repeat(31)]: { type: 'string' } } }, /30/)
  await refused({ name: 'okTable', schema, factor: 31 }, /factor/)
  await refused({ name: 'okTable', schema, keyColumn: 'nope' }, /nope/)
  const many = Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`c${i}`, { type: 'string' }]))
  const over = await thrown(client.createTable({ name: 'okTable', schema: many }))
  assert.ok(over instanceof LimitExceededError || over.code === 400, over.type)
  assert.match(over.message, /20/)
  assert.deepEqual((await client.listTables({})).tables, [])
  const { c20: _, ...twenty } = many
  assert.equal(Object.keys((await client.createTable({ name: 'okTable', schema: twenty })).table.schema.properties).length, 20)
})

test('names are unique, renames move the name, getOrCreate leaves what exists', async () => {
  const client = server.client()
  await client.createTable({ name: 'aTable', schema: { a: { type: 'string' } } })
  await client.createTable({ name: 'bTable', schema: { b: { type: 'string' } } })
  assert.ok((await thrown(client.createTable({ name: 'aTable', schema: {} }))) instanceof AlreadyExistsError)
  assert.ok((await thrown(client.updateTable({ table: 'aTable', name: 'bTable' }))) instanceof AlreadyExistsError)
  const { table } = await client.updateTable({ table: 'aTable', name: 'cTable' })
  assert.equal(table.name, 'cTable')
  assert.ok((await thrown(client.getTable({ table: 'aTable' }))) instanceof ResourceNotFoundError)

  await client.createTableRows({ table: 'cTable', rows: [{ a: '1' }] })
  const same = await client.getOrCreateTable({ table: 'cTable', schema: { different: { type: 'number' } }, factor: 5 })
  assert.equal(same.created, false)
  assert.equal(same.rows, 1)
  assert.equal(same.table.factor, 1)
  assert.deepEqual(types(same.table), { a: 'string' })
  const made = await client.getOrCreateTable({ table: 'dTable', schema: { d: { type: 'number' } }, factor: 5 })
  assert.equal(made.created, true)
  assert.deepEqual([made.rows, made.table.name, made.table.factor], [0, 'dTable', 5])
})

test('schema updates merge: add, change, remove, keep', async () => {
  const client = server.client()
  await client.createTable({ name: 'mTable', schema: { keep: { type: 'string' }, change: { type: 'string' }, drop: { type: 'string' } } })
  await client.createTableRows({ table: 'mTable', rows: [{ keep: 'k', change: '5', drop: 'd' }] })
  const { table } = await client.updateTable({
    table: 'mTable',
    schema: { change: { type: 'number' }, drop: null, added: { type: 'boolean' } },
  })
  assert.deepEqual(types(table), { keep: 'string', change: 'number', added: 'boolean' })
  const [row] = (await client.findTableRows({ table: 'mTable' })).rows
  assert.deepEqual([row.keep, row.change, row.added, 'drop' in row], ['k', null, null, false])
  await client.updateTable({ table: 'mTable', schema: { drop: { type: 'string' } } })
  assert.equal((await client.findTableRows({ table: 'mTable' })).rows[0].drop, null, 'old values do not come back')

  const { table: renamed } = await client.renameTableColumn({ table: 'mTable', name: 'keep', newName: 'kept' })
  assert.deepEqual(Object.keys(types(renamed)).includes('kept'), true)
  const after = (await client.findTableRows({ table: 'mTable', filter: { kept: 'k' } })).rows
  assert.deepEqual([after.length, after[0].kept, 'keep' in after[0]], [1, 'k', false])
  const taken = await thrown(client.renameTableColumn({ table: 'mTable', name: 'kept', newName: 'added' }))
  assert.ok([400, 409].includes(taken.code))
})

test('factor only grows and frozen tables keep their schema', async () => {
  const client = server.client()
  await client.createTable({ name: 'fTable', schema: { a: { type: 'string' } }, factor: 2 })
  assert.equal((await client.updateTable({ table: 'fTable', factor: 3 })).table.factor, 3)
  assert.ok((await thrown(client.updateTable({ table: 'fTable', factor: 1 }))).code < 500)
  assert.equal((await client.getTable({ table: 'fTable' })).table.factor, 3)
  const big = 'x'.repeat(3 * 4096 + 100)
  const { rows, errors } = await client.createTableRows({ table: 'fTable', rows: [{ a: big }, { a: 'x'.repeat(8000) }] })
  assert.equal(rows.length, 1)
  assert.equal(errors.length, 1)

  assert.equal((await client.updateTable({ table: 'fTable', frozen: true })).table.frozen, true)
  assert.ok((await thrown(client.updateTable({ table: 'fTable', schema: { b: { type: 'string' } } }))).code < 500)
  assert.ok((await thrown(client.renameTableColumn({ table: 'fTable', name: 'a', newName: 'z' }))).code < 500)
  assert.equal((await client.createTableRows({ table: 'fTable', rows: [{ a: 'still' }] })).rows.length, 1)
  assert.deepEqual(Object.keys((await client.getTable({ table: 'fTable' })).table.schema.properties), ['a'])
  assert.deepEqual(await client.deleteTable({ table: 'fTable' }), {})
})

test('tables are listed by tags', async () => {
  const client = server.client()
  const make = (name, tags) => client.createTable({ name, schema: { a: { type: 'string' } }, tags })
  await make('xTable', { team: 'red', 'with-dash': '1' })
  await make('yTable', { team: 'red' })
  await make('zTable', { team: 'blue' })
  const names = async (tags) => (await client.listTables({ tags })).tables.map((table) => table.name).sort()
  assert.deepEqual(await names({ team: 'red' }), ['xTable', 'yTable'])
  assert.deepEqual(await names({ team: 'red', 'with-dash': '1' }), ['xTable'])
  assert.deepEqual(await names({ team: 'green' }), [])
  assert.deepEqual(await names(undefined), ['xTable', 'yTable', 'zTable'])
})

test('eight racing creates of one name make one table', async () => {
  const client = server.client(newBot())
  const create = () => client.createTable({ name: 'raceTable', schema: { a: { type: 'string' } } })
  const outcomes = await Promise.allSettled(Array.from({ length: 8 }, create))
  const lost = outcomes.filter((outcome) => outcome.status === 'rejected').map((outcome) => outcome.reason)
  assert.equal(lost.length, 7)
  assert.ok(lost.every((error) => error instanceof AlreadyExistsError))
  assert.equal((await client.listTables({})).tables.length, 1)
  const bad = await thrown(client.createTable({ name: 5, schema: {} }))
  assert.ok(bad instanceof InvalidPayloadError)
})
