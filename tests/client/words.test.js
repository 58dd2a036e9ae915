// Questions in plain words: the proposed query goes unchanged into the client; queries kept under a name.
'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { serve, newBot } = require('./harness')

const server = serve(test)

async function products(client) {
  const schema = { name: { type: 'string' }, category: { type: 'string' }, price: { type: 'number' } }
  await client.createTable({ name: 'productsTable', schema })
  const rows = [
    { name: 'Velvet Chair', category: 'chair', price: 129 },
    { name: 'Oak Chair', category: 'chair', price: 89 },
    { name: 'Oak Table', category: 'table', price: 410 },
  ]
  await client.createTableRows({ table: 'productsTable', rows })
}

const names = (found) => found.rows.map((row) => row.name)

test('a question becomes a query the client runs', async () => {
  const botId = newBot()
  const client = server.client(botId)
  await products(client)
  const body = { text: 'chairs under $200, cheapest first' }
  const asked = await server.fetch('POST', '/v1/quarry/tables/productsTable/filter', { botId, body })
  assert.equal(asked.status, 200, asked.text)
  const { filter, orderBy, orderDirection, source, explanation } = asked.json
  assert.deepEqual([filter, source], [{ category: 'chair', price: { $lt: 200 } }, 'rules'])
  assert.ok(explanation.includes('price'), explanation)
  const found = await client.findTableRows({ table: 'productsTable', filter, orderBy, orderDirection })
  assert.deepEqual(names(found), ['Oak Chair', 'Velvet Chair'])
})

test('findTableRows takes a kept query by its name', async () => {
  const botId = newBot()
  await products(server.client(botId))
  const put = await server.fetch('PUT', '/v1/quarry/tables/productsTable/selectors/dear', {
    botId,
    body: { text: 'most expensive first' },
  })
  assert.equal(put.status, 200, put.text)
  const find = (body) => server.fetch('POST', '/v1/tables/productsTable/rows/find', { botId, body })
  assert.deepEqual(names((await find({ selectorName: 'dear' })).json), ['Oak Table', 'Velvet Chair', 'Oak Chair'])
  const both = await find({ selectorName: 'dear', filter: { category: 'chair' }, limit: 1 })
  assert.deepEqual(names(both.json), ['Velvet Chair'])
  assert.equal((await find({ selectorName: 'nothing' })).status, 404)
})
