// The calls real consumers make, in their order and with their labels: knowledge sync, grounded
// search, learning tables, deploys, imports and swapped state.
'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { createHash } = require('node:crypto')
const { ResourceNotFoundError } = require('@botpress/client')
const { serve, newBot, settled, thrown } = require('./harness')

const server = serve(test)

const HEADERS = { 'x-multiple-integrations': 'true' }
const CONFIGURATION = { vision: { indexPages: true, transcribePages: true }, summarization: { enable: false } }
const sha256 = (text) => createHash('sha256').update(text).digest('hex')

/** One pass of a directory sync: compare by hash, upload what changed, delete what vanished. */
async function sync(client, kb, documents) {
  const tags = { source: 'knowledge-base', kbId: kb.id, kbName: kb.name, dsId: 'ds1', dsType: 'document' }
  const known = await client.list.files({ tags }).collect()
  const keyOf = (path) => `data_source://document/ds1/${path}`
  const did = { uploaded: [], skipped: [], deleted: [] }
  for (const file of known) {
    if (Object.keys(documents).some((path) => keyOf(path) === file.key)) continue
    await client.deleteFile({ id: file.id })
    did.deleted.push(file.key)
  }
  for (const [path, content] of Object.entries(documents)) {
    const hash = sha256(content)
    const before = await client.getFile({ id: keyOf(path) }).then(
      ({ file }) => file,
      (error) => {
        assert.ok(error instanceof ResourceNotFoundError)
        return undefined
      }
    )
    const fine = before && !before.status.endsWith('_failed') && before.status !== 'upload_pending'
    if (fine && before.metadata.hash === hash) {
      did.skipped.push(path)
      continue
    }
    const { file } = await client.uploadFile({
      key: keyOf(path),
      content,
      index: true,
      accessPolicies: [],
      tags,
      indexing: { configuration: CONFIGURATION },
      metadata: { hash, title: path, relPath: path, dsId: 'ds1', dsType: 'document', lastmod: '2026-01-01' },
    })
    assert.equal((await settled(client, file.id)).status, 'indexing_completed')
    did.uploaded.push(path)
  }
  return did
}

test('a directory sync uploads, skips, replaces and deletes', async () => {
  const client = server.client(newBot(), { headers: HEADERS })
  const listed = await client.list.knowledgeBases({}).collect()
  assert.equal(listed.find((kb) => kb.name === 'docs'), undefined)
  const kb = (await client.createKnowledgeBase({ name: 'docs' })).knowledgeBase
  assert.equal((await client.list.knowledgeBases({}).collect()).find((one) => one.name === 'docs').id, kb.id)

  const documents = {
    'guide/start.md': '# Start\n\nPlug the toaster in and press the lever down.',
    'guide/clean me.md': '# Cleaning\n\nEmpty the crumb tray of the toaster every week.',
  }
  assert.deepEqual(await sync(client, kb, documents), { uploaded: Object.keys(documents), skipped: [], deleted: [] })
  assert.deepEqual(await sync(client, kb, documents), { uploaded: [], skipped: Object.keys(documents), deleted: [] })

  documents['guide/start.md'] = '# Start\n\nPress the silver button to start the toaster.'
  delete documents['guide/clean me.md']
  assert.deepEqual(await sync(client, kb, documents), {
    uploaded: ['guide/start.md'],
    skipped: [],
    deleted: ['data_source://document/ds1/guide/clean me.md'],
  })
  const { passages } = await client.searchFiles({ query: 'how do I start the toaster', tags: { kbId: kb.id } })
  assert.match(passages[0].content, /silver button/)
  assert.ok(passages.every((passage) => !passage.content.includes('lever') && !passage.content.includes('crumb')))
})

test('the grounded search of an agent finds what it shows', async () => {
  const bot = newBot()
  const client = server.client(bot, { headers: HEADERS })
  const kb = (await client.createKnowledgeBase({ name: 'Lamps & more' })).knowledgeBase
  const url = 'https://example.com/lamps?id=1&x=2'
  const key = `data_source://web-page/ds2/${encodeURIComponent(url)}`
  const { file } = await client.uploadFile({
    key,
    content: '<html><body><h1>Lamps</h1><p>The desk lamp takes an E14 bulb of at most 40 watts.</p></body></html>',
    contentType: 'text/html',
    index: true,
    tags: { source: 'knowledge-base', kbId: kb.id, kbName: kb.name, dsId: 'ds2', dsType: 'web-page' },
    metadata: { title: 'Lamps', url, favicon: 'https://example.com/f.ico', description: 'All about lamps' },
  })
  assert.equal((await settled(client, file.id)).status, 'indexing_completed')
  const { passages } = await client.searchFiles({
    query: 'which bulb fits the desk lamp',
    tags: { source: 'knowledge-base', kbName: ['Lamps & more'] },
    contextDepth: 4,
    includeBreadcrumb: true,
    withContext: true,
  })
  const [hit] = passages
  assert.match(hit.content, /E14/)
  assert.equal(hit.file.key, key)
  assert.deepEqual(hit.file.metadata, { title: 'Lamps', url, favicon: 'https://example.com/f.ico', description: 'All about lamps' })
  assert.equal(hit.file.tags.kbName, 'Lamps & more')
  assert.equal(hit.file.tags.dsType, 'web-page')
  const raw =
    '/v1/files/search?tags.source=knowledge-base&tags.kbName=Lamps%20%26%20more&query=which%20bulb&contextDepth=4&includeBreadcrumb=true&withContext=true'
  const wire = await server.fetch('GET', raw, { botId: bot, headers: HEADERS })
  assert.equal(wire.json.passages[0].file.id, file.id)
})

test('a connector uploads first and labels afterwards', async () => {
  const client = server.client()
  const { file } = await client.uploadFile({ key: 'gdrive:/Plans/2026.txt', content: 'The roof garden opens in May.', index: true })
  await settled(client, file.id)
  const tags = {
    source: 'knowledge-base', kbId: 'kb_x', title: '2026', modalities: '["text"]', integrationName: 'gdrive',
    integrationAlias: 'my/gdrive', externalId: 'id:1', externalSize: '29', externalContentHash: null, externalPath: '/Plans/2026.txt',
  }
  const labelled = (await client.updateFileMetadata({ id: file.id, tags })).file
  const { externalContentHash: _, ...kept } = tags
  assert.deepEqual(labelled.tags, kept)
  const found = (await client.searchFiles({ query: 'when does the roof garden open', tags: { kbId: 'kb_x', modalities: '["text"]' } })).passages
  assert.match(found[0].content, /May/)
  assert.equal((await client.listFiles({ tags: { kbId: 'kb_x' } })).files.length, 1)
})

test('a learning table keeps what was asked for and finds examples by key', async () => {
  const client = server.client()
  const spec = {
    table: 'ActiveLearningTable',
    factor: 30,
    frozen: true,
    isComputeEnabled: false,
    tags: { 'x-studio-title': 'Active Learning', 'x-studio-readonly': 'true', 'x-studio-deletable': 'true' },
    schema: {
      taskType: { type: 'string', nullable: true },
      taskId: { type: 'string', nullable: true },
      key: { type: 'string', nullable: true },
      instructions: { type: 'string', nullable: true },
      input: { type: 'object', nullable: true, 'x-zui': { searchable: true } },
      output: { type: 'object', nullable: true },
      explanation: { type: 'string', nullable: true },
      metadata: { type: 'object', nullable: true },
      status: { type: 'string', nullable: true },
      feedback: { type: 'object', nullable: true },
    },
  }
  const made = await client.getOrCreateTable(spec)
  const again = await client.getOrCreateTable(spec)
  assert.deepEqual([made.created, again.created], [true, false])
  assert.deepEqual([again.table.factor, again.table.frozen], [30, true])
  assert.deepEqual(again.table.tags, spec.tags)
  for (const [name, column] of Object.entries(spec.schema)) {
    const got = again.table.schema.properties[name]
    assert.equal(got.type, column.type, name)
    assert.equal(got['x-zui'].searchable ?? false, name === 'input', name)
  }
  const row = {
    key: 'k1', taskType: 'zai.check', taskId: 'zai/default', status: 'approved', instructions: 'is it nice',
    input: { value: 'a long text '.repeat(800) }, output: { value: true }, metadata: { cost: { input: 1e-6 } },
  }
  const put = async (value) => client.upsertTableRows({ table: spec.table, rows: [value], keyColumn: 'key' })
  assert.deepEqual([(await put(row)).inserted.length, (await put({ ...row, status: 'pending' })).updated.length], [1, 1])
  const { rows } = await client.findTableRows({
    table: spec.table,
    filter: { taskType: 'zai.check', taskId: 'zai/default', status: { $in: ['pending'] } },
    limit: 10,
  })
  assert.deepEqual(rows[0].input, row.input)
  assert.deepEqual(rows[0].metadata, row.metadata)
})

test('the SDK walks rows by offset and always sends waitComputed', async () => {
  const client = server.client()
  await client.createTable({ name: 'walkTable', schema: { n: { type: 'number' } } })
  const rows = Array.from({ length: 230 }, (_, n) => ({ n }))
  await client.createTableRows({ table: 'walkTable', rows, waitComputed: true })
  const all = []
  for (let offset = 0, more = true; more; ) {
    const page = await client.findTableRows({ table: 'walkTable', limit: 100, offset, filter: {}, orderBy: 'id' })
    all.push(...page.rows)
    more = page.hasMore
    offset = page.offset + page.limit
  }
  assert.deepEqual(all.map((row) => row.n), rows.map((row) => row.n))
  const one = await client.upsertTableRows({ table: 'walkTable', rows: [{ id: all[3].id, n: -3 }], keyColumn: 'id', waitComputed: false })
  assert.deepEqual([one.updated[0].n, one.inserted.length], [-3, 0])
})

test('a deploy creates, compares and updates tables, skipping frozen ones', async () => {
  const client = server.client()
  const wanted = {
    ordersTable: { type: 'object', properties: { total: { type: 'number' }, note: { type: 'string', nullable: true } }, additionalProperties: false },
    usersTable: { type: 'object', properties: { mail: { type: 'string' } }, additionalProperties: false },
  }
  const deploy = async () => {
    const did = []
    const existing = (await client.listTables({})).tables
    for (const [name, schema] of Object.entries(wanted)) {
      const table = existing.find((one) => one.name === name)
      if (!table) {
        await client.createTable({ name, schema, factor: 1, frozen: false, tags: {}, isComputeEnabled: true })
        did.push(`create ${name}`)
        continue
      }
      if (table.frozen) continue
      const same = Object.entries(schema.properties).every(([column, { type }]) => table.schema.properties[column]?.type === type)
      if (same) continue
      await client.updateTable({ table: table.id, schema, frozen: false, tags: {}, isComputeEnabled: true })
      did.push(`update ${name}`)
    }
    return did
  }
  assert.deepEqual(await deploy(), ['create ordersTable', 'create usersTable'])
  assert.deepEqual(await deploy(), [])
  wanted.usersTable.properties.age = { type: 'number' }
  assert.deepEqual(await deploy(), ['update usersTable'])
  assert.deepEqual(await deploy(), [])
  delete wanted.usersTable.properties.mail
  assert.deepEqual(await deploy(), [])
  const { table } = await client.getTable({ table: 'usersTable' })
  assert.deepEqual(Object.keys(table.schema.properties).sort(), ['age', 'mail'], 'missing columns are kept')
})

test('a spreadsheet import empties the table and fills it in batches of fifty', async () => {
  const client = server.client()
  const schema = { type: 'object', properties: { Name: { type: 'string' }, 'Unit price (€)': { type: 'number' } } }
  for (let pass = 0; pass < 2; pass++) {
    await client.getOrCreateTable({ table: 'sheetTable', schema })
    const { deletedRows } = await client.deleteTableRows({ table: 'sheetTable', deleteAllRows: true })
    assert.equal(deletedRows, pass * 120)
    const rows = Array.from({ length: 120 }, (_, i) => ({ Name: `Item ${i}`, 'Unit price (€)': i / 4 }))
    for (let at = 0; at < rows.length; at += 50) {
      const { errors } = await client.createTableRows({ table: 'sheetTable', rows: rows.slice(at, at + 50) })
      assert.deepEqual(errors ?? [], [])
    }
  }
  const { rows } = await client.findTableRows({ table: 'sheetTable', filter: { 'Unit price (€)': { $gte: 29.5 } } })
  assert.deepEqual(rows.map((row) => row.Name), ['Item 118', 'Item 119'])
  assert.equal((await client.getTable({ table: 'sheetTable' })).rows, 120)
})

test('a big state is swapped out to a private file and read back without headers', async () => {
  const client = server.client()
  const state = { messages: Array.from({ length: 4000 }, (_, i) => ({ i, text: `message ${i} ü` })) }
  const key = 'swap/conversation/conv_01/state.json'
  const content = JSON.stringify(state)
  assert.ok(content.length > 128 * 1024)
  await client.uploadFile({
    key,
    content,
    contentType: 'application/json',
    tags: { system: 'true', purpose: 'swap' },
    expiresAt: new Date(Date.now() + 30 * 86_400_000).toISOString(),
  })
  const { file } = await client.getFile({ id: key })
  assert.deepEqual(file.accessPolicies, [])
  const response = await fetch(file.url)
  assert.equal(response.headers.get('content-type'), 'application/json')
  assert.deepEqual(await response.json(), state)
  assert.deepEqual((await client.listFiles({ tags: { system: 'true', purpose: 'swap' } })).files.map((one) => one.key), [key])
  assert.ok((await thrown(client.getFile({ id: 'swap/conversation/conv_02/state.json' }))) instanceof ResourceNotFoundError)
})
