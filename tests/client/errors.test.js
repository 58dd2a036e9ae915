// Errors: the client must be able to tell them apart and read what to change.
'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const api = require('@botpress/client')
const { serve, newBot, thrown } = require('./harness')

const server = serve(test)
const ERROR_ID = /^err_\d{14}x[0-9a-f]{8}$/

test('each failure arrives as its own class with id, code, type and message', async () => {
  const client = server.client()
  await client.createTable({ name: 'aTable', schema: { name: { type: 'string' } } })
  const cases = [
    [() => client.getFile({ id: 'file_nothing' }), api.ResourceNotFoundError, 404, 'ResourceNotFound'],
    [() => client.getTable({ table: 'noTable' }), api.ResourceNotFoundError, 404, 'ResourceNotFound'],
    [() => client.getTableRow({ table: 'aTable', id: 1 }), api.ResourceNotFoundError, 404, 'ResourceNotFound'],
    [() => client.createTable({ name: 'aTable', schema: {} }), api.AlreadyExistsError, 409, 'AlreadyExists'],
    [() => client.upsertFile({ key: 'x' }), api.InvalidPayloadError, 400, 'InvalidPayload'],
    [() => client.listFiles({ sortField: 'color' }), api.InvalidQueryError, 400, 'InvalidQuery'],
    [() => client.listFiles({ nextToken: 'forged+/=' }), api.InvalidQueryError, 400, 'InvalidQuery'],
    [() => client.findTableRows({ table: 'aTable', filter: { nope: 1 } }), api.InvalidQueryError, 400, 'InvalidQuery'],
    [() => server.client(newBot(), { token: 'wrong' }).listFiles({}), api.UnauthorizedError, 401, 'Unauthorized'],
  ]
  for (const [call, kind, code, type] of cases) {
    const error = await thrown(call())
    assert.ok(error instanceof kind, `${call}: ${error.type} ${error.message}`)
    assert.ok(api.isApiError(error))
    assert.equal(error.code, code)
    assert.equal(error.type, type)
    assert.match(error.id, ERROR_ID)
    assert.ok(error.message.length > 5)
  }
})

test('error bodies hold all four fields and the code is the status', async () => {
  const bot = newBot()
  const answers = [
    await server.fetch('GET', '/v1/files/none', { botId: bot }),
    await server.fetch('GET', '/v1/nothing/here', { botId: bot }),
    await server.fetch('PATCH', '/v1/files', { botId: bot }),
    await server.fetch('GET', '/v1/files', { botId: bot, token: '' }),
    await server.fetch('GET', '/v1/files', {}),
    await server.fetch('PUT', '/v1/files', { botId: bot, body: '{"key":', headers: { 'content-type': 'application/json' } }),
    await server.fetch('PUT', '/v1/files', { botId: bot, body: [] }),
    await server.fetch('POST', '/v1/tables', { botId: bot, body: { name: 'xTable', schema: 5 } }),
  ]
  assert.deepEqual(answers.map((answer) => answer.status), [404, 404, 405, 401, 400, 400, 400, 400])
  for (const { status, json, text } of answers) {
    assert.equal(json?.code, status, text)
    assert.match(json.id, ERROR_ID)
    assert.equal(typeof json.type, 'string')
    assert.equal(typeof json.message, 'string')
    assert.ok(api.errorFrom(json).type === json.type, 'the client knows the type')
  }
  assert.match(answers[4].json.message, /x-bot-id/)
})

test('tokens: the scheme has no case, everything else is refused alike', async () => {
  const bot = newBot()
  const get = (authorization) => server.fetch('GET', '/v1/files', { botId: bot, token: '', headers: { authorization } })
  assert.equal((await get(`bearer ${server.token}`)).status, 200)
  assert.equal((await get(`BEARER ${server.token}`)).status, 200)
  const wrong = [`Basic ${server.token}`, server.token, 'Bearer', `Bearer ${server.token}x`, `Bearer ${server.token.slice(1)}`]
  for (const authorization of wrong) {
    const { status, json } = await get(authorization)
    assert.deepEqual([status, json.type], [401, 'Unauthorized'], authorization)
    assert.ok(!json.message.includes(server.token))
  }
})

test('unknown headers and unknown body fields do not matter', async () => {
  const bot = newBot()
  const { status, json } = await server.fetch('PUT', '/v1/files', {
    botId: bot,
    headers: { 'x-multiple-integrations': 'true', 'x-whatever': 'é', 'x-integration-alias': 'me' },
    body: { key: 'k', size: 1, newField: { a: 1 }, index: false },
  })
  assert.equal(status, 200)
  assert.equal(json.file.key, 'k')
})

test('bodies over the cap are refused', async () => {
  const bot = newBot()
  const big = { key: 'k', size: 1, metadata: { text: 'x'.repeat(1_100_000) } }
  const { status, json } = await server.fetch('PUT', '/v1/files', { botId: bot, body: big })
  assert.deepEqual([status, json.type], [413, 'PayloadTooLarge'])
  assert.ok((await thrown(server.client(bot).upsertFile(big))) instanceof api.PayloadTooLargeError)
})

test('deep and odd JSON never makes a fault of ours', async () => {
  const bot = newBot()
  const client = server.client(bot)
  await client.createTable({ name: 'oddTable', schema: { v: { type: 'object' } } })
  const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`
  const bodies = [
    deep, `{"rows":${deep}}`, '', 'null', '7', '"x"', '{"rows":null}', '{"rows":[1]}', '{"rows":[]}', '\u0000', '{"rows":[{"id":1e400}]}',
    '{"filter":{"$and":{}}}', '{"filter":[]}', '{"limit":-1}', '{"limit":1e9}', '{"offset":"x"}', '{"select":[1]}', '{"orderBy":{}}',
  ]
  const paths = ['rows', 'rows/find', 'rows/upsert', 'rows/delete']
  for (const body of bodies) {
    for (const path of paths) {
      const headers = { 'content-type': 'application/json' }
      const { status, json } = await server.fetch('POST', `/v1/tables/oddTable/${path}`, { botId: bot, body, headers })
      assert.ok(status < 500, `${path} ${body.slice(0, 40)}: ${status}`)
      if (status !== 200) assert.equal(json.code, status)
    }
  }
  assert.equal((await client.getTable({ table: 'oddTable' })).rows, 0)
})

test('browsers get the exact origin back', async () => {
  const origin = 'https://studio.example.org'
  const response = await server.fetch('OPTIONS', '/v1/tables/x/rows', {
    token: '',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type,x-bot-id,x-multiple-integrations',
    },
  })
  assert.ok(response.status < 300)
  assert.equal(response.headers.get('access-control-allow-origin'), origin)
  assert.equal(response.headers.get('access-control-allow-credentials'), 'true')
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
    assert.ok(response.headers.get('access-control-allow-methods').includes(method), method)
  }
  for (const header of ['authorization', 'content-type', 'x-bot-id', 'x-destination-bot-id', 'x-multiple-integrations']) {
    assert.ok(response.headers.get('access-control-allow-headers').toLowerCase().includes(header), header)
  }
  const real = await server.fetch('GET', '/v1/files', { botId: newBot(), headers: { origin } })
  assert.equal(real.headers.get('access-control-allow-origin'), origin)
})
