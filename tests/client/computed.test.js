// Computed columns: rules as the agent kit writes them, waiting, states, counts.
'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { serve, thrown, until } = require('./harness')
const { InvalidJsonSchemaError } = require('@botpress/client')

const server = serve(test)
const table = 'ordersTable'

// The kit sends a closed JSON schema and the text of the function.
const code = (fn, dependencies) => ({ computed: { action: 'code', dependencies, code: fn.toString() } })
const schema = {
  type: 'object',
  additionalProperties: false,
  'x-zui': {},
  required: ['item', 'price', 'total'],
  properties: {
    item: { type: 'string', 'x-zui': { searchable: true } },
    price: { type: 'number', exclusiveMinimum: true, 'x-zui': {} },
    'unit count': { type: 'integer', nullable: true },
    total: { type: 'number', 'x-zui': code(async (row) => row.price * (row['unit count'] ?? 1), ['price', 'unit count']) },
    label: { type: 'string', 'x-zui': code(({ item, total }) => `${item}: ${total.toFixed(2)}`, ['item', 'total']) },
    due: { type: 'string', format: 'date-time', 'x-zui': code((row) => new Date(row.price * 1000), ['price']) },
    info: { type: 'object', 'x-zui': code(function (row) { return { words: row.item.split(' '), big: row.price > 100 } }, []) },
  },
}

async function orders() {
  const client = server.client()
  await client.createTable({ name: table, schema })
  return client
}

const settled = (client) => until('computed values', async () => (await client.getTable({ table })).stale === 0)

test('waitComputed answers the values of functions as the kit emits them', async () => {
  const client = await orders()
  const { rows, warnings, errors } = await client.createTableRows({
    table,
    waitComputed: true,
    rows: [{ item: 'red chair', price: 20, 'unit count': 3 }, { item: 'lamp', price: 200 }],
  })
  assert.deepEqual([warnings ?? [], errors ?? []], [[], []])
  const [chair, lamp] = rows
  assert.deepEqual([chair.total, chair.label, chair.due], [60, 'red chair: 60.00', '1970-01-01T00:00:20.000Z'])
  assert.deepEqual([chair.info, lamp.info], [{ words: ['red', 'chair'], big: false }, { words: ['lamp'], big: true }])
  assert.equal(lamp.label, 'lamp: 200.00')
  assert.equal(chair.stale, undefined)
  for (const name of ['total', 'label', 'due', 'info']) {
    const { status, updatedBy, updatedAt } = chair.computed[name]
    assert.deepEqual([status, updatedBy], ['computed', 'code'])
    assert.ok(!Number.isNaN(Date.parse(updatedAt)))
  }
  assert.equal((await client.getTable({ table })).stale, 0)
  assert.deepEqual((await client.getTableRow({ table, id: chair.id })).row, chair)
  const { rows: found } = await client.findTableRows({ table, filter: { total: { $gte: 100 } }, select: ['label'] })
  assert.deepEqual([found.length, found[0].label, found[0].computed.total.status], [1, 'lamp: 200.00', 'computed'])
  const changed = await client.updateTableRows({ table, waitComputed: true, rows: [{ id: chair.id, price: 1 }] })
  assert.deepEqual([changed.rows[0].total, changed.rows[0].label], [3, 'red chair: 3.00'])
  const upserted = await client.upsertTableRows({
    table,
    waitComputed: true,
    keyColumn: 'item',
    rows: [{ item: 'lamp', price: 5 }, { item: 'desk', price: 7 }],
  })
  assert.deepEqual([upserted.updated[0].total, upserted.inserted[0].label], [5, 'desk: 7.00'])
})

test('without waiting values follow in the background; the old ones stay until then', async () => {
  const client = await orders()
  const { rows } = await client.createTableRows({ table, rows: [{ item: 'chair', price: 20 }] })
  assert.deepEqual(rows[0].stale, ['total', 'label', 'due', 'info'])
  assert.deepEqual([rows[0].total, rows[0].computed.total], [null, { status: 'stale' }])
  await settled(client)
  const changed = await client.updateTableRows({ table, rows: [{ id: rows[0].id, 'unit count': 2 }] })
  assert.deepEqual([changed.rows[0].stale, changed.rows[0].total], [['total', 'label'], 20])
  assert.equal(changed.rows[0].computed.total.status, 'stale')
  await settled(client)
  const { row } = await client.getTableRow({ table, id: rows[0].id })
  assert.deepEqual([row.total, row.label, row.stale], [40, 'chair: 40.00', undefined])
})

test('failures are states of the value, not of the request', async () => {
  const client = await orders()
  const { rows } = await client.createTableRows({ table, waitComputed: true, rows: [{ item: 'chair', price: 1 }] })
  const id = rows[0].id
  const fails = { properties: { total: { type: 'number', 'x-zui': code((row) => row.missing.deep, ['price']) } }, type: 'object' }
  const { staleColumns } = await client.updateTable({ table, schema: fails })
  assert.deepEqual(staleColumns, ['total'])
  await settled(client)
  const { row } = await client.getTableRow({ table, id })
  assert.deepEqual([row.total, row.computed.total.status], [null, 'error'])
  assert.match(row.computed.total.error, /TypeError.*deep/)
  assert.match(row.computed.label.error, /"total".*has an error/)
  const text = { properties: { total: { type: 'number', 'x-zui': code(() => 'text', ['price']) } }, type: 'object' }
  await client.updateTable({ table, schema: text })
  await settled(client)
  assert.match((await client.getTableRow({ table, id })).row.computed.total.error, /takes number, not string/)
})

test('a table that does not compute by itself does so for who waits', async () => {
  const client = await orders()
  await client.updateTable({ table, isComputeEnabled: false })
  await client.createTableRows({ table, rows: [{ item: 'a', price: 1 }, { item: 'b', price: 2 }] })
  assert.equal((await client.getTable({ table })).stale, 2)
  const { rows } = await client.createTableRows({ table, waitComputed: true, rows: [{ item: 'c', price: 3 }] })
  assert.equal(rows[0].total, 3)
  const { rows: count, stale } = await client.getOrCreateTable({ table, schema })
  assert.deepEqual([count, stale], [3, 2])
  await client.updateTable({ table, isComputeEnabled: true })
  await settled(client)
})

test('rules that cannot work are refused with the place', async () => {
  const client = server.client()
  const make = (properties) => thrown(client.createTable({ name: table, schema: { type: 'object', properties } }))
  const rule = (dependencies) => ({ type: 'number', 'x-zui': { computed: { action: 'code', dependencies, code: '1' } } })
  const circle = await make({ a: rule(['b']), b: rule(['a']) })
  assert.ok(circle instanceof InvalidJsonSchemaError, String(circle))
  assert.match(circle.message, /a → b → a|b → a → b/)
  assert.match((await make({ a: rule(['zz']) })).message, /"zz", which is no column/)
  await client.createTable({ name: table, schema })
  const { table: renamed } = await client.renameTableColumn({ table, name: 'unit count', newName: 'units' })
  assert.match(renamed.schema.properties.total['x-zui'].computed.code, /row\["units"\]/)
  const { rows } = await client.createTableRows({ table, waitComputed: true, rows: [{ item: 'x', price: 2, units: 4, total: 9 }] })
  assert.equal(rows[0].total, 8)
})
