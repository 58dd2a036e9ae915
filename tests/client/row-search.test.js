// Search over table rows through the official client: similarity, filters, object and array columns,
// the indexing count, switching searchable on and off, and what a learning table asks for.
'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { InvalidQueryError } = require('@botpress/client')
const { serve, newBot, until, thrown } = require('./harness')

const server = serve(test)
const searchable = (type) => ({ type, nullable: true, 'x-zui': { searchable: true } })

/** Waits until no row waits for the index. */
const indexed = (client, table) =>
  until(`the rows of ${table} to be indexed`, async () => (await client.getTable({ table })).indexing === 0)

test('rows come back by similarity and within the filter', async () => {
  const client = server.client()
  await client.createTable({ name: 'faqTable', schema: { question: searchable('string'), lang: { type: 'string' }, votes: { type: 'number' } } })
  const rows = [
    { question: 'How do I reset my password?', lang: 'en', votes: 3 },
    { question: 'Where is my parcel right now?', lang: 'en', votes: 9 },
    { question: 'Which payment methods do you accept?', lang: 'en', votes: 5 },
    { question: 'Wie ändere ich mein Passwort?', lang: 'de', votes: 1 },
    { question: null, lang: 'en', votes: 0 },
  ]
  const written = await client.createTableRows({ table: 'faqTable', rows })
  assert.equal(written.rows.length, 5)
  await indexed(client, 'faqTable')

  const found = await client.findTableRows({ table: 'faqTable', search: 'I forgot my login secret' })
  assert.equal(found.rows[0].question, 'How do I reset my password?')
  assert.deepEqual([found.rows.length, found.hasMore, found.offset, found.limit], [4, false, 0, 100])
  const scores = found.rows.map((row) => row.similarity)
  assert.ok(scores.every((score) => score >= 0 && score <= 1), `${scores}`)
  assert.deepEqual(scores, [...scores].sort((a, b) => b - a))

  const german = await client.findTableRows({ table: 'faqTable', search: 'password', filter: { lang: 'de' } })
  assert.deepEqual(german.rows.map((row) => row.lang), ['de'])
  const ordered = await client.findTableRows({ table: 'faqTable', search: 'parcel', orderBy: 'votes', orderDirection: 'desc' })
  assert.deepEqual(ordered.rows.map((row) => row.votes), [9, 5, 3, 1])
  assert.ok(ordered.rows.every((row) => typeof row.similarity === 'number'))
  const one = await client.findTableRows({ table: 'faqTable', search: 'delivery tracking', limit: 1, select: ['votes'] })
  assert.deepEqual([one.hasMore, one.rows[0].votes, 'question' in one.rows[0]], [true, 9, false])
  const next = await client.findTableRows({ table: 'faqTable', search: 'delivery tracking', limit: 3, offset: 1 })
  assert.deepEqual([next.rows.length, next.hasMore, next.rows.some((row) => row.votes === 9)], [3, false, false])
  const plain = await client.findTableRows({ table: 'faqTable', filter: { lang: 'de' } })
  assert.ok(!('similarity' in plain.rows[0]), 'only a search has similarity')
})

test('objects and arrays are searched in all they hold', async () => {
  const client = server.client()
  await client.createTable({ name: 'thingTable', factor: 5, schema: { name: { type: 'string' }, data: searchable('object'), tags: searchable('array') } })
  const long = 'The manual goes on about screws and washers. '.repeat(200)
  await client.createTableRows({
    table: 'thingTable',
    rows: [
      { name: 'oven', data: { use: 'bakes bread and cakes', power: { watts: 2000 } }, tags: ['kitchen', 'heat'] },
      { name: 'fridge', data: { use: 'keeps milk cold' }, tags: ['kitchen'] },
      { name: 'book', data: { text: `${long} At the very end it names the xylophone.` } },
      { name: 'nothing' },
    ],
  })
  await indexed(client, 'thingTable')
  const best = async (search) => (await client.findTableRows({ table: 'thingTable', search })).rows[0].name
  assert.equal(await best('something to bake a loaf in'), 'oven')
  assert.equal(await best('2000 watts'), 'oven')
  assert.equal(await best('cooling dairy products'), 'fridge')
  assert.equal(await best('xylophone'), 'book')
  const { rows } = await client.findTableRows({ table: 'thingTable', search: 'kitchen', filter: { 'data.power.watts': { $gt: 1000 } } })
  assert.deepEqual(rows.map((row) => row.name), ['oven'])
})

test('a changed row is found by its new text within two seconds, a deleted one never', async () => {
  const client = server.client()
  await client.createTable({ name: 'newsTable', keyColumn: 'key', schema: { key: { type: 'string' }, text: searchable('string') } })
  const put = (key, text) => client.upsertTableRows({ table: 'newsTable', keyColumn: 'key', rows: [{ key, text }] })
  await put('a', 'Penguins live in the south.')
  await put('b', 'Trains leave every hour.')
  await indexed(client, 'newsTable')
  const started = Date.now()
  await put('a', 'Volcanoes erupt without warning.')
  const search = 'volcanoes'
  await until('the new text to be found', async () => (await client.findTableRows({ table: 'newsTable', search })).rows[0]?.key === 'a')
  assert.ok(Date.now() - started < 2000, `${Date.now() - started} ms`)
  const before = await client.findTableRows({ table: 'newsTable', search: 'penguins' })
  assert.ok(before.rows.every((row) => !row.text.includes('Penguins')))
  await client.deleteTableRows({ table: 'newsTable', filter: { key: 'a' } })
  const after = await client.findTableRows({ table: 'newsTable', search })
  assert.deepEqual(after.rows.map((row) => row.key), ['b'])
})

test('searchable is switched on for existing rows and off again, and the quota follows', async () => {
  const botId = newBot()
  const client = server.client(botId)
  const status = async () => (await server.fetch('GET', '/v1/quarry/status?recount=true', { botId })).json
  const vectors = async (count) => {
    const now = await until(`${count} vectors`, async () => {
      const body = await status()
      return body.usage.vectors.used === count && body
    })
    assert.equal(now.recount.vectors, count)
  }
  await client.createTable({ name: 'laterTable', schema: { text: { type: 'string' } } })
  await client.createTableRows({ table: 'laterTable', rows: [{ text: 'apples' }, { text: 'oranges' }, { text: '' }] })
  const refused = await thrown(client.findTableRows({ table: 'laterTable', search: 'fruit' }))
  assert.ok(refused instanceof InvalidQueryError)
  assert.match(refused.message, /searchable/)
  assert.equal((await client.getTable({ table: 'laterTable' })).indexing, 0)

  await client.updateTable({ table: 'laterTable', schema: { text: { type: 'string', 'x-zui': { searchable: true } } } })
  await indexed(client, 'laterTable')
  const { rows } = await client.findTableRows({ table: 'laterTable', search: 'oranges' })
  assert.deepEqual(rows.map((row) => row.text), ['oranges', 'apples'])
  await vectors(2)
  const made = await client.getOrCreateTable({ table: 'laterTable', schema: { text: 'x' } })
  assert.deepEqual([made.created, made.rows, made.indexing], [false, 3, 0])

  await client.updateTable({ table: 'laterTable', schema: { text: { type: 'string', 'x-zui': { searchable: false } } } })
  await vectors(0)
  await client.updateTable({ table: 'laterTable', schema: { text: { type: 'string', 'x-zui': { searchable: true } } } })
  await vectors(2)
  await client.deleteTable({ table: 'laterTable' })
  await vectors(0)
})

test('wrong searches are refused with what to change', async () => {
  const client = server.client()
  await client.createTable({ name: 'oddTable', schema: { text: searchable('string') } })
  for (const [query, says] of [
    [{ search: '' }, /empty/],
    [{ search: 'x'.repeat(1025) }, /1024/],
    [{ search: 'x', group: { text: 'key' } }, /group/],
    [{ search: 'x', orderBy: 'nope' }, /nope/],
  ]) {
    const error = await thrown(client.findTableRows({ table: 'oddTable', ...query }))
    assert.ok(error instanceof InvalidQueryError, JSON.stringify(query))
    assert.match(error.message, says)
  }
  assert.deepEqual((await client.findTableRows({ table: 'oddTable', search: 'x'.repeat(1024) })).rows, [])
})

test('a learning table finds the nearest examples by their JSON', async () => {
  const client = server.client()
  const table = 'LearningTable'
  await client.getOrCreateTable({
    table,
    factor: 30,
    frozen: true,
    tags: { 'x-studio-title': 'Active Learning' },
    schema: {
      taskType: { type: 'string', nullable: true },
      taskId: { type: 'string', nullable: true },
      key: { type: 'string', nullable: true },
      input: searchable('object'),
      output: { type: 'object', nullable: true },
      status: { type: 'string', nullable: true },
    },
  })
  const inputs = [
    'My order arrived broken and I want my money back',
    'Can you tell me the opening hours on Sunday',
    'The app crashes each time I open the camera',
    'Please cancel my subscription at the end of the month',
  ]
  for (const [n, value] of inputs.entries()) {
    const row = { taskType: 'zai.extract', taskId: 'zai/default', key: `k${n}`, input: { value }, output: { value: n }, status: n === 3 ? 'pending' : 'approved' }
    await client.upsertTableRows({ table, rows: [row], keyColumn: 'key' })
  }
  await indexed(client, table)
  const nearest = async (value) => {
    const search = JSON.stringify({ value }).substring(0, 1023)
    const filter = { taskType: 'zai.extract', taskId: 'zai/default', status: 'approved' }
    return (await client.findTableRows({ table, search, filter, limit: 10 })).rows
  }
  const refund = await nearest('The product was damaged, give me a refund')
  assert.deepEqual([refund[0].key, refund.length], ['k0', 3])
  assert.equal((await nearest(inputs[2]))[0].key, 'k2')
  assert.equal((await nearest(`${'camera app crash '.repeat(200)}`))[0].key, 'k2')
})
