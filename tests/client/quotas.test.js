// Quotas and rate limits: refused before the work, with the figures, and given back on delete.
'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { QuotaExceededError, RateLimitedError, Client } = require('@botpress/client')
const { serve, newBot, settled, indexed, thrown } = require('./harness')

const server = serve(test, {
  QUARRY_VECTOR_QUOTA: '5',
  QUARRY_TABLE_ROW_QUOTA: '20',
  QUARRY_STORAGE_QUOTA_BYTES: '2000',
  QUARRY_MAX_FILE_BYTES: '1500',
})
const limited = serve(test, { QUARRY_RATE_LIMIT: '10' })

async function usage(bot) {
  const { json } = await server.fetch('GET', '/v1/quarry/status?recount=true', { botId: bot })
  const used = Object.fromEntries(Object.entries(json.usage).map(([name, { used }]) => [name, used]))
  assert.deepEqual(json.recount, used, 'counters equal a recount')
  return used
}

test('rows count factor times and are refused past the quota', async () => {
  const bot = newBot()
  const client = server.client(bot)
  await client.createTable({ name: 'aTable', schema: { n: { type: 'number' } }, factor: 3 })
  const { rows } = await client.createTableRows({ table: 'aTable', rows: [1, 2, 3, 4, 5].map((n) => ({ n })) })
  assert.equal((await usage(bot)).tableRows, 15)
  const error = await thrown(client.createTableRows({ table: 'aTable', rows: [{ n: 6 }, { n: 7 }] }))
  assert.ok(error instanceof QuotaExceededError, error.type)
  for (const figure of [/15/, /20/, /6/]) assert.match(error.message, figure)
  assert.equal((await client.getTable({ table: 'aTable' })).rows, 5, 'nothing of the refused batch was kept')
  const upsert = await thrown(client.upsertTableRows({ table: 'aTable', rows: [{ n: 6 }, { n: 7 }] }))
  assert.ok(upsert instanceof QuotaExceededError)
  await client.updateTableRows({ table: 'aTable', rows: [{ id: rows[0].id, n: 100 }] })
  await client.deleteTableRows({ table: 'aTable', ids: [rows[0].id, rows[1].id] })
  assert.equal((await usage(bot)).tableRows, 9)
  assert.equal((await client.createTableRows({ table: 'aTable', rows: [{ n: 6 }, { n: 7 }] })).rows.length, 2)
  assert.ok((await thrown(client.updateTable({ table: 'aTable', factor: 10 }))) instanceof QuotaExceededError)
  await client.deleteTable({ table: 'aTable' })
  assert.equal((await usage(bot)).tableRows, 0)
  await server.client().createTable({ name: 'otherTable', schema: { n: { type: 'number' } } })
})

test('storage is reserved by the declared size and given back', async () => {
  const bot = newBot()
  const client = server.client(bot)
  await client.upsertFile({ key: 'a', size: 1200 })
  assert.equal((await usage(bot)).storageBytes, 1200)
  const error = await thrown(client.upsertFile({ key: 'b', size: 1000 }))
  assert.ok(error instanceof QuotaExceededError, error.type)
  for (const figure of [/1200/, /2000/, /1000/]) assert.match(error.message, figure)
  assert.deepEqual((await client.listFiles({})).files.map((file) => file.key), ['a'])
  await client.upsertFile({ key: 'a', size: 300 })
  assert.equal((await usage(bot)).storageBytes, 300, 'a smaller version frees the rest')
  await client.uploadFile({ key: 'b', content: Buffer.alloc(1000) })
  assert.equal((await usage(bot)).storageBytes, 1300)
  await client.deleteFile({ id: 'b' })
  await client.deleteFile({ id: 'a' })
  assert.equal((await usage(bot)).storageBytes, 0)
  const over = await thrown(client.upsertFile({ key: 'c', size: 1501 }))
  assert.ok([403, 413].includes(over.code), over.type)
  assert.match(over.message, /1500/)
})

test('vectors over the quota fail the file with the figures, not the bot', async () => {
  const bot = newBot()
  const client = server.client(bot)
  await indexed(client, 'small.md', '# One\n\nA single small passage about tea.')
  const many = Array.from({ length: 12 }, (_, i) => `## Part ${i}\n\nPassage ${i} is about subject number ${i}.\n`).join('\n')
  const { file } = await client.uploadFile({ key: 'many.md', content: many, index: true })
  const failed = await settled(client, file.id)
  assert.equal(failed.status, 'indexing_failed')
  assert.match(failed.failedStatusReason, /quota/)
  assert.match(failed.failedStatusReason, /5/)
  const { passages } = await client.searchFiles({ query: 'tea' })
  assert.deepEqual([...new Set(passages.map((passage) => passage.file.key))], ['small.md'])
  const before = (await usage(bot)).vectors
  assert.ok(before >= 1 && before <= 5)
  await client.deleteFile({ id: 'small.md' })
  assert.equal((await usage(bot)).vectors, 0)
})

test('racing creates never pass the quota', async () => {
  const bot = newBot()
  const client = server.client(bot)
  await client.createTable({ name: 'raceTable', schema: { n: { type: 'number' } } })
  const one = (n) => client.createTableRows({ table: 'raceTable', rows: [{ n }, { n }, { n }] })
  const outcomes = await Promise.allSettled(Array.from({ length: 16 }, (_, n) => one(n)))
  const fine = outcomes.filter((outcome) => outcome.status === 'fulfilled').length
  assert.equal(fine, 6, '6 × 3 rows fit into 20')
  assert.equal((await client.getTable({ table: 'raceTable' })).rows, 18)
  assert.equal((await usage(bot)).tableRows, 18)
})

test('the rate limit tells how long to wait, in seconds', async () => {
  const bot = newBot()
  const get = () => limited.fetch('GET', '/v1/files', { botId: bot })
  const first = await get()
  assert.equal(first.status, 200)
  assert.equal(first.headers.get('ratelimit-limit'), '10')
  assert.ok(Number(first.headers.get('ratelimit-remaining')) < 10)
  const burst = await Promise.all(Array.from({ length: 60 }, get))
  const refused = burst.filter((answer) => answer.status === 429)
  assert.ok(refused.length > 0 && refused.length < 60, `${refused.length} of 60 refused`)
  for (const { json, headers } of refused) {
    assert.deepEqual([json.code, json.type], [429, 'RateLimited'])
    assert.equal(headers.get('ratelimit-remaining'), '0')
    for (const name of ['ratelimit-reset', 'retry-after']) {
      const seconds = Number(headers.get(name))
      assert.ok(Number.isInteger(seconds) && seconds >= 0 && seconds <= 60, `${name}: ${headers.get(name)}`)
    }
  }
  const patient = new Client({ apiUrl: limited.url, token: limited.token, botId: bot, retry: { retries: 8, retryDelay: () => 300, retryCondition: (e) => e.response?.status === 429 } })
  const answers = await Promise.all(Array.from({ length: 5 }, () => patient.listFiles({})))
  assert.ok(answers.every((answer) => Array.isArray(answer.files)))
  const burstAgain = await Promise.allSettled(Array.from({ length: 60 }, () => limited.client(bot).listFiles({})))
  const error = burstAgain.find((outcome) => outcome.status === 'rejected').reason
  assert.ok(error instanceof RateLimitedError)
})
