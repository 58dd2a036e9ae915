// Isolation: what one bot holds, another can neither see, change nor guess.
'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { ResourceNotFoundError, InvalidQueryError } = require('@botpress/client')
const { serve, newBot, indexed, thrown } = require('./harness')

const server = serve(test)

test('ids, names and keys of one bot open nothing for another', async () => {
  const [owner, stranger] = [server.client(), server.client()]
  const file = await indexed(owner, 'plan.txt', 'The vault opens with the number 4711.')
  const { knowledgeBase } = await owner.createKnowledgeBase({ name: 'Secrets' })
  const { table } = await owner.createTable({ name: 'secretTable', schema: { word: { type: 'string' } } })
  const { rows } = await owner.createTableRows({ table: table.id, rows: [{ word: 'xyzzy' }] })
  const id = rows[0].id

  const attempts = {
    getFile: () => stranger.getFile({ id: file.id }),
    getFileByKey: () => stranger.getFile({ id: 'plan.txt' }),
    updateFileMetadata: () => stranger.updateFileMetadata({ id: file.id, tags: { a: 'b' } }),
    deleteFile: () => stranger.deleteFile({ id: file.id }),
    copyFile: () => stranger.copyFile({ idOrKey: file.id, destinationKey: 'mine' }),
    listFilePassages: () => stranger.listFilePassages({ id: file.id }),
    setFilePassages: () => stranger.setFilePassages({ id: file.id, passages: [{ content: 'x' }] }),
    updateKnowledgeBase: () => stranger.updateKnowledgeBase({ id: knowledgeBase.id, name: 'x' }),
    deleteKnowledgeBase: () => stranger.deleteKnowledgeBase({ id: knowledgeBase.id }),
    getTable: () => stranger.getTable({ table: table.id }),
    getTableByName: () => stranger.getTable({ table: 'secretTable' }),
    updateTable: () => stranger.updateTable({ table: table.id, name: 'takenTable' }),
    renameTableColumn: () => stranger.renameTableColumn({ table: table.id, name: 'word', newName: 'w' }),
    deleteTable: () => stranger.deleteTable({ table: table.id }),
    getTableRow: () => stranger.getTableRow({ table: table.id, id }),
    findTableRows: () => stranger.findTableRows({ table: table.id }),
    createTableRows: () => stranger.createTableRows({ table: table.id, rows: [{ word: 'x' }] }),
    updateTableRows: () => stranger.updateTableRows({ table: table.id, rows: [{ id, word: 'x' }] }),
    upsertTableRows: () => stranger.upsertTableRows({ table: table.id, rows: [{ id, word: 'x' }] }),
    deleteTableRows: () => stranger.deleteTableRows({ table: table.id, deleteAllRows: true }),
  }
  for (const [name, attempt] of Object.entries(attempts)) {
    const error = await thrown(attempt())
    assert.ok(error instanceof ResourceNotFoundError, `${name}: ${error.type} ${error.message}`)
    assert.ok(!/xyzzy|4711|Secrets/.test(error.message), name)
  }
  assert.deepEqual((await stranger.searchFiles({ query: 'the vault number' })).passages, [])
  assert.deepEqual((await stranger.listFiles({ ids: [file.id] })).files, [])
  assert.deepEqual((await stranger.listKnowledgeBases({})).knowledgeBases, [])
  assert.deepEqual((await stranger.listTables({})).tables, [])
  assert.deepEqual((await stranger.listFileTags({})).tags, [])

  assert.equal((await owner.getTableRow({ table: table.id, id })).row.word, 'xyzzy')
  assert.equal((await owner.getTable({ table: table.id })).rows, 1)
  assert.equal((await owner.searchFiles({ query: 'the vault number' })).passages[0].file.id, file.id)
})

test('page tokens belong to one bot and one query', async () => {
  const [a, b] = [server.client(), server.client()]
  for (const client of [a, b]) {
    for (let i = 0; i < 5; i++) await client.upsertFile({ key: `k${i}`, size: 1, tags: { t: 'x' } })
  }
  const { nextToken } = (await a.listFiles({ pageSize: 2 })).meta
  assert.ok(nextToken)
  assert.ok((await thrown(b.listFiles({ pageSize: 2, nextToken }))) instanceof InvalidQueryError)
  assert.ok((await thrown(a.listFiles({ pageSize: 2, nextToken, tags: { t: 'x' } }))) instanceof InvalidQueryError)
  assert.equal((await a.listFiles({ pageSize: 2, nextToken })).files.length, 2)
})

test('one table name in two bots is two tables', async () => {
  const [a, b] = [server.client(), server.client()]
  for (const [client, n] of [[a, 1], [b, 2]]) {
    await client.createTable({ name: 'sameTable', schema: { n: { type: 'number' } } })
    await client.createTableRows({ table: 'sameTable', rows: Array.from({ length: n }, () => ({ n })) })
  }
  assert.deepEqual((await a.findTableRows({ table: 'sameTable' })).rows.map((row) => row.n), [1])
  assert.deepEqual((await b.findTableRows({ table: 'sameTable' })).rows.map((row) => row.n), [2, 2])
  await a.deleteTable({ table: 'sameTable' })
  assert.equal((await b.getTable({ table: 'sameTable' })).rows, 2)
})

test('a bot token acts for its bot only, and dies when revoked', async () => {
  const [mine, other] = [newBot(), newBot()]
  const made = await server.fetch('POST', '/v1/quarry/tokens', { botId: mine, body: { botId: mine, name: 'test' } })
  assert.equal(made.status, 200, made.text)
  const { token, id } = made.json.token
  assert.ok(token.length >= 32)
  const client = server.client(mine, { token })
  await client.upsertFile({ key: 'a', size: 1 })
  assert.equal((await client.listFiles({})).files.length, 1)
  const abroad = await thrown(server.client(other, { token }).listFiles({}))
  assert.equal(abroad.code, 403)
  assert.equal(abroad.type, 'Forbidden')
  const noAdmin = await server.fetch('GET', '/v1/quarry/tokens', { botId: mine, token })
  assert.ok([401, 403].includes(noAdmin.status))
  const list = await server.fetch('GET', '/v1/quarry/tokens', { botId: mine })
  assert.ok(!list.text.includes(token), 'tokens are shown once')
  assert.equal((await server.fetch('DELETE', `/v1/quarry/tokens/${id}`, { botId: mine })).status, 200)
  assert.equal((await thrown(client.listFiles({}))).code, 401)
})
