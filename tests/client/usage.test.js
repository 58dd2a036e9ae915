// Usage, quotas and activity through every operation the official client has for them.
'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { InvalidQueryError, ResourceNotFoundError, ForbiddenError, InvalidPayloadError, Client } = require('@botpress/client')
const { Server, serve, newBot, indexed, settled, thrown } = require('./harness')

const WORKSPACE = 'wkspace_local'
const limits = {
  QUARRY_PLAN: 'community',
  QUARRY_STORAGE_QUOTA_BYTES: '4000',
  QUARRY_VECTOR_QUOTA: '50',
  QUARRY_RATE_LIMIT: '1000',
}
const server = serve(test, limits)
const month = () => new Date().toISOString().slice(0, 7)
const today = () => new Date().toISOString().slice(0, 10)
const TEXT = '# Kettle\n\nThe warranty of the kettle lasts five years.'
const SIZE = Buffer.byteLength(TEXT)

/** A bot with one indexed file of one passage and six units of rows, that searched twice and asked once. */
async function busyBot(of = server) {
  const botId = newBot()
  const client = of.client(botId)
  await indexed(client, 'kettle.md', TEXT)
  await client.createTable({ name: 'partsTable', schema: { sku: { type: 'string' } }, factor: 2 })
  await client.createTableRows({ table: 'partsTable', rows: [{ sku: 'a' }, { sku: 'b' }] })
  await client.upsertTableRows({ table: 'partsTable', rows: [{ sku: 'c' }] })
  await client.findTableRows({ table: 'partsTable' })
  await client.searchFiles({ query: 'kettle' })
  await client.searchFiles({ query: 'warranty' })
  const { status } = await of.fetch('POST', '/v1/quarry/answer', { botId, body: { question: 'How long is the warranty of the kettle?' } })
  assert.equal(status, 200)
  return { botId, client }
}

test('getUsage and getMultipleUsages tell value, quota, period and type', async () => {
  const { botId, client } = await busyBot()
  const figures = {
    storage_count: [SIZE, 4000],
    knowledgebase_vector_storage: [20_000, 50 * 20_000],
    table_row_count: [6, 1000],
    indexed_file_count: [1, 50],
    file_max_size_bytes: [0, 100_000_000],
    workspace_ratelimit: [0, 1000],
    ai_spend: [0, 0],
    openai_spend: [0, 0],
    bing_search_spend: [0, 0],
    invocation_calls: [0, 0],
    invocation_timeout: [0, 0],
    bot_count: [0, 0],
    workspace_member_count: [0, 0],
    integrations_owned_count: [0, 0],
    always_alive: [0, 0],
  }
  for (const [type, [value, quota]] of Object.entries(figures)) {
    const expected = { id: botId, period: month(), value, quota, type }
    assert.deepEqual((await client.getUsage({ id: botId, type })).usage, expected)
    assert.deepEqual((await client.getUsage({ id: botId, type, period: month() })).usage, expected)
  }
  const other = newBot()
  const { usages } = await client.getMultipleUsages({ types: ['table_row_count', 'indexed_file_count'], ids: [botId, other] })
  assert.deepEqual(
    usages.map(({ id, type, value }) => [id, type, value]),
    [[botId, 'table_row_count', 6], [botId, 'indexed_file_count', 1], [other, 'table_row_count', 0], [other, 'indexed_file_count', 0]]
  )
  for (const period of ['1999-12', '2999-01']) {
    const { usage } = await client.getUsage({ id: botId, type: 'storage_count', period })
    assert.deepEqual([usage.value, usage.quota, usage.period], [0, 4000, period])
  }
  for (const wrong of [{ period: 'last month' }, { period: '2026-13' }, { type: 'bot_log_count' }]) {
    const error = await thrown(client.getUsage({ id: botId, type: 'storage_count', ...wrong }))
    assert.ok(error instanceof InvalidQueryError, error.type)
  }
  assert.ok((await thrown(client.getMultipleUsages({ types: [], ids: [botId] }))) instanceof InvalidQueryError)
})

test('listUsageHistory starts with the first month there is something of', async () => {
  const { botId, client } = await busyBot()
  const { usages } = await client.listUsageHistory({ id: botId, type: 'table_row_count' })
  assert.deepEqual(usages, [{ id: botId, period: month(), value: 6, quota: 1000, type: 'table_row_count' }])
})

test('listUsageActivity tells levels, listUsageActivityDaily what was done', async () => {
  const { botId, client } = await busyBot()
  const before = Date.now()
  const { data, meta } = await client.listUsageActivity({ id: botId, type: 'table_row_count' })
  assert.deepEqual([data.length, data[0].value, data[0].period, data[0].metadata, meta], [1, 6, month(), {}, {}])
  assert.ok(Math.abs(Date.parse(data[0].timestamp) - before) < 120_000, data[0].timestamp)
  const until = new Date(before - 7_200_000).toISOString()
  const earlier = { timestampFrom: '2020-01-01', timestampUntil: until }
  assert.deepEqual((await client.listUsageActivity({ id: botId, type: 'table_row_count', ...earlier })).data, [])

  const daily = async (type, more = {}) => {
    const all = await client.list.usageActivityDaily({ id: botId, type, pageSize: 1, ...more }).collect()
    return all.map(({ key, date, value, metadata }) => {
      assert.deepEqual([key, date, metadata.botId], [`${today()}/${botId}/${metadata.subtype}`, today(), botId])
      return [metadata.type, metadata.subtype, value]
    })
  }
  assert.deepEqual(await daily('indexed_file_count'), [['FileIndexing', 'filesIndexed', 1]])
  assert.deepEqual(await daily('knowledgebase_vector_storage'), [['IntegrationAction', 'answers', 1], ['IntegrationAction', 'searches', 2]])
  assert.deepEqual(await daily('table_row_count'), [['IntegrationAction', 'tableReads', 1], ['IntegrationAction', 'tableWrites', 2]])
  assert.deepEqual(await daily('storage_count', { dateFrom: today(), dateUntil: today() }), [['IntegrationAction', 'fileWrites', 1]])
  assert.deepEqual(await daily('storage_count', { dateFrom: '2020-01-01', dateUntil: '2020-02-01' }), [])
  assert.deepEqual(await daily('always_alive'), [])
  const page = await client.listUsageActivityDaily({ id: botId, type: 'table_row_count', pageSize: 1 })
  assert.equal(page.data.length, 1)
  const foreign = client.listUsageActivityDaily({ id: botId, type: 'storage_count', nextToken: page.meta.nextToken })
  assert.ok((await thrown(foreign)) instanceof InvalidQueryError)
  const wrong = await thrown(client.listUsageActivityDaily({ id: botId, type: 'storage_count', dateFrom: 'monday' }))
  assert.match(wrong.message, /dateFrom/)
})

test('workspace operations sum, break down and complete', async () => {
  const own = new Server(limits)
  await own.start()
  try {
    const [one, two] = [await busyBot(own), await busyBot(own)]
    await two.client.createTableRows({ table: 'partsTable', rows: Array.from({ length: 400 }, () => ({ sku: 'x' })) })
    const { client } = one
    const { usages } = await client.listWorkspaceUsages({ id: WORKSPACE, type: 'table_row_count' })
    assert.deepEqual(usages, [{ id: WORKSPACE, period: month(), value: 812, quota: 1000, type: 'table_row_count' }])
    const { data } = await client.breakDownWorkspaceUsageByBot({ id: WORKSPACE, type: 'table_row_count', period: month() })
    const byBot = Object.fromEntries(data.map(({ botId, value }) => [botId, value]))
    assert.deepEqual(byBot, { [one.botId]: 6, [two.botId]: 806 })
    const { quota } = await client.getWorkspaceQuota({ id: WORKSPACE, type: 'storage_count', period: '2026-01' })
    assert.deepEqual(quota, { period: '2026-01', value: 4000, type: 'storage_count' })
    const { quotas } = await client.listWorkspaceQuotas({ id: WORKSPACE })
    assert.deepEqual(Object.fromEntries(quotas.map(({ type, value }) => [type, value])), {
      storage_count: 4000,
      knowledgebase_vector_storage: 1_000_000,
      table_row_count: 1000,
      indexed_file_count: 50,
      file_max_size_bytes: 100_000_000,
      workspace_ratelimit: 1000,
      ai_spend: 0,
    })
    assert.deepEqual(await client.getAllWorkspaceQuotaCompletion({}), { [WORKSPACE]: { type: 'table_row_count', completion: 0.806 } })

    assert.deepEqual(await client.changeAISpendQuota({ monthlySpendingLimit: 7_000_000_000 }), {})
    assert.equal((await client.getWorkspaceQuota({ id: WORKSPACE, type: 'ai_spend' })).quota.value, 7_000_000_000)
    assert.equal((await client.getUsage({ id: one.botId, type: 'ai_spend' })).usage.quota, 7_000_000_000)
    assert.ok((await thrown(client.changeAISpendQuota({ monthlySpendingLimit: -1 }))) instanceof InvalidPayloadError)

    const calls = [
      client.getWorkspaceQuota({ id: 'wkspace_01K', type: 'storage_count' }),
      client.listWorkspaceQuotas({ id: 'wkspace_01K' }),
      client.listWorkspaceUsages({ id: 'wkspace_01K', type: 'storage_count' }),
      client.breakDownWorkspaceUsageByBot({ id: 'wkspace_01K', type: 'storage_count' }),
      client.getUsage({ id: 'wkspace_01K', type: 'storage_count' }),
      client.listUsageHistory({ id: 'wkspace_01K', type: 'storage_count' }),
    ]
    for (const error of await Promise.all(calls.map(thrown))) assert.ok(error instanceof ResourceNotFoundError, error.type)

    // What was counted is there again after a restart.
    const searches = { id: WORKSPACE, type: 'knowledgebase_vector_storage' }
    const counted = (await client.listUsageActivityDaily(searches)).data
    assert.equal(counted.length, 4)
    assert.equal((await own.stop()).code, 0)
    await own.start()
    const again = own.client(one.botId)
    assert.deepEqual((await again.listUsageActivityDaily(searches)).data, counted)
    assert.equal((await again.listUsageActivity({ id: WORKSPACE, type: 'table_row_count' })).data.at(-1).value, 812)
    assert.equal((await again.getWorkspaceQuota({ id: WORKSPACE, type: 'ai_spend' })).quota.value, 7_000_000_000)
  } finally {
    await own.discard()
  }
})

test('introspect and bot tokens stay with their bot', async () => {
  const { botId, client } = await busyBot()
  assert.deepEqual(await client.introspect({ botId }), { workspaceId: WORKSPACE, botId, userId: 'user_admin' })
  const { json } = await server.fetch('POST', '/v1/quarry/tokens', { body: { botId } })
  const own = new Client({ apiUrl: server.url, token: json.token.token, botId })
  assert.equal((await own.introspect({ botId })).workspaceId, WORKSPACE)
  assert.ok((await thrown(own.introspect({ botId: newBot() }))) instanceof ForbiddenError)
  assert.ok((await thrown(own.getUsage({ id: newBot(), type: 'storage_count' }))) instanceof ForbiddenError)
  const { data } = await own.breakDownWorkspaceUsageByBot({ id: WORKSPACE, type: 'indexed_file_count' })
  assert.deepEqual(data, [{ botId, value: 1 }])
  assert.ok((await thrown(own.changeAISpendQuota({ monthlySpendingLimit: 1 }))) instanceof ForbiddenError)
})

test('our own quota view tells what is reserved while an upload is open', async () => {
  const { botId, client } = await busyBot()
  const quota = async () => (await server.fetch('GET', '/v1/quarry/quota', { botId })).json
  await client.upsertFile({ key: 'open.bin', size: 300 })
  const open = await quota()
  assert.deepEqual(open.storageBytes, { used: SIZE + 300, reserved: 300, limit: 4000 })
  assert.deepEqual([open.vectors, open.tableRows], [{ used: 1, reserved: 0, limit: 50 }, { used: 6, reserved: 0, limit: 1000 }])
  await client.uploadFile({ key: 'open.bin', content: Buffer.alloc(300) })
  assert.equal((await quota()).storageBytes.reserved, 0)
  const { status, json } = await server.fetch('POST', '/v1/quarry/quota/recount', { body: { botId } })
  assert.deepEqual([status, json.differs, json.bots.length], [200, false, 1])
  const many = Array.from({ length: 60 }, (_, i) => `## Part ${i}\n\nPassage ${i} is about subject number ${i}.\n`).join('\n')
  const { file } = await client.uploadFile({ key: 'many.md', content: many, index: true })
  const failed = await settled(client, file.id)
  assert.match(failed.failedStatusReason, /1 used of 50, \d+ more needed/)
})
