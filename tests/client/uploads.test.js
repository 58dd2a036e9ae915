// Upload and content URLs: who may use them, for what, and for how long.
'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { InvalidPayloadError } = require('@botpress/client')
const { serve, newBot, settled, indexed, thrown } = require('./harness')

const server = serve(test)

/** Every query parameter of a URL changed and dropped, one at a time. */
function tampered(url) {
  const all = []
  for (const [name, value] of new URL(url).searchParams) {
    const changed = new URL(url)
    const last = value.at(-1) === '0' ? '1' : '0'
    changed.searchParams.set(name, value.slice(0, -1) + last)
    const dropped = new URL(url)
    dropped.searchParams.delete(name)
    all.push([`${name} changed`, changed.href], [`${name} dropped`, dropped.href])
  }
  return all
}

const refused = (response) => assert.ok([401, 403, 404, 405].includes(response.status), `answered ${response.status}`)

test('an upload URL opens one upload and nothing else', async () => {
  const client = server.client()
  const { file } = await client.upsertFile({ key: 'a.txt', size: 5 })
  const other = (await client.upsertFile({ key: 'b.txt', size: 5 })).file
  const attempts = tampered(file.uploadUrl)
  assert.ok(attempts.length >= 4, 'the URL carries signed parameters')
  for (const [what, url] of attempts) {
    const response = await fetch(url, { method: 'PUT', body: 'hello' })
    assert.ok([401, 403, 404].includes(response.status), `${what}: answered ${response.status}`)
  }
  refused(await fetch(file.uploadUrl))
  const swapped = new URL(other.uploadUrl)
  swapped.search = new URL(file.uploadUrl).search
  refused(await fetch(swapped, { method: 'PUT', body: 'hello' }))
  assert.equal((await client.getFile({ id: file.id })).file.status, 'upload_pending')
  assert.equal((await client.getFile({ id: other.id })).file.status, 'upload_pending')

  const put = await fetch(file.uploadUrl, { method: 'PUT', body: 'hello', headers: { 'content-type': 'x/y' } })
  assert.ok(put.ok)
  const done = (await client.getFile({ id: file.id })).file
  assert.equal(done.status, 'upload_completed')
  assert.equal(done.contentType, 'text/plain', 'the type of the upsert stays')
})

test('of several upserts of a key the last one wins, until the file is deleted', async () => {
  const client = server.client()
  const old = (await client.upsertFile({ key: 'v.txt', size: 3 })).file
  const now = (await client.upsertFile({ key: 'v.txt', size: 3 })).file
  const put = (file, body) => fetch(file.uploadUrl, { method: 'PUT', body })
  assert.ok((await put(old, 'old')).ok, 'dropped with success')
  assert.equal((await client.getFile({ id: 'v.txt' })).file.status, 'upload_pending')
  assert.ok((await put(now, 'new')).ok)
  assert.ok((await put(old, 'old')).ok)
  assert.equal(await (await fetch((await client.getFile({ id: 'v.txt' })).file.url)).text(), 'new')
  for (const [what, url] of tampered(old.uploadUrl)) {
    assert.ok([401, 403, 404].includes((await fetch(url, { method: 'PUT', body: 'old' })).status), what)
  }
  await client.deleteFile({ id: 'v.txt' })
  for (const file of [old, now]) assert.equal((await put(file, 'new')).status, 404)
})

test('uploads to one key at the same time all succeed', async () => {
  const client = server.client()
  const contents = [...Array(6).keys()].map((n) => `the crane at pier ${n} lifts`)
  await Promise.all(contents.map((content) => client.uploadFile({ key: 'same.md', content, index: true })))
  const { status, url } = await settled(client, 'same.md')
  assert.equal(status, 'indexing_completed')
  const content = await (await fetch(url)).text()
  assert.ok(contents.includes(content), content)
  const { passages } = await client.searchFiles({ query: 'crane at the pier', contextDepth: 0 })
  assert.deepEqual(passages.map((passage) => passage.content), [content])
})

test('a replaced text is found under its own tags until the new one is', async () => {
  const client = server.client()
  const secret = { key: 'policy.md', tags: { kbName: 'internal' }, metadata: { title: 'Salaries' } }
  const redacted = { key: 'policy.md', tags: { kbName: 'public' }, metadata: { title: 'Redacted' } }
  await indexed(client, secret.key, 'The salary of the director is 412000.', secret)
  const found = async (tags) => {
    const { passages } = await client.searchFiles({ query: 'salary of the director', tags, contextDepth: 0 })
    return passages
  }
  const answer = async (tags) => {
    const body = { question: 'What is the salary of the director?', tags, minConfidence: 0 }
    return (await server.fetch('POST', '/v1/quarry/answer', { botId: client.config.headers['x-bot-id'], body })).text
  }

  await client.upsertFile({ ...redacted, size: 40, index: true })
  assert.deepEqual(await found({ kbName: 'public' }), [])
  assert.deepEqual(await found({ kbName: { not: 'internal' } }), [])
  assert.ok(!(await answer({ kbName: 'public' })).includes('412000'))
  for (const tags of [{ kbName: 'internal' }, undefined]) {
    const [hit, ...rest] = await found(tags)
    assert.match(hit.content, /412000/)
    assert.deepEqual([hit.file.tags, hit.file.metadata, rest], [secret.tags, secret.metadata, []])
  }
  assert.match(await answer({ kbName: 'internal' }), /412000/)
  assert.deepEqual((await client.listFilePassages({ id: 'policy.md' })).passages, [])

  // The new text in the making: every search sees the one or the other, each under its own tags.
  const long = 'The salary of the director is not for you to know. '.repeat(200)
  await client.uploadFile({ ...redacted, content: long, index: true })
  for (let status; status !== 'indexing_completed'; ) {
    ;({ status } = (await client.getFile({ id: 'policy.md' })).file)
    for (const hit of await found({ kbName: 'public' })) assert.ok(!hit.content.includes('412000'), status)
    assert.notEqual(status, 'indexing_failed')
  }
  assert.deepEqual(await found({ kbName: 'internal' }), [])
  const [hit] = await found({ kbName: 'public' })
  assert.deepEqual([hit.file.tags, hit.file.metadata], [redacted.tags, redacted.metadata])
})

test('bytes must be as many as declared', async () => {
  const client = server.client()
  const { file } = await client.upsertFile({ key: 'n.txt', size: 4 })
  const more = await fetch(file.uploadUrl, { method: 'PUT', body: '12345' })
  assert.equal(more.status, 413)
  const again = (await client.upsertFile({ key: 'n.txt', size: 4 })).file
  const fewer = await fetch(again.uploadUrl, { method: 'PUT', body: '123' })
  assert.equal(fewer.status, 400)
  assert.notEqual((await client.getFile({ id: file.id })).file.status, 'upload_completed')
  const error = await thrown(client.uploadFile({ key: 'n2.txt', content: '' }))
  assert.match(error.message, /content|url/i, 'the client itself refuses an empty text')
})

test('an empty file can be stored', async () => {
  const client = server.client()
  await client.uploadFile({ key: 'zero.bin', content: Buffer.alloc(0) })
  const { file } = await client.getFile({ id: 'zero.bin' })
  assert.deepEqual([file.size, file.status], [0, 'upload_completed'])
  assert.equal(await (await fetch(file.url)).text(), '')
})

test('all content kinds of the client arrive byte for byte', async () => {
  const client = server.client()
  const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 7) % 256)
  const kinds = {
    'u8.bin': bytes,
    'buffer.bin': Buffer.from(bytes),
    'arraybuffer.bin': bytes.buffer,
    'blob.bin': new Blob([bytes], { type: 'image/png' }),
  }
  for (const [key, content] of Object.entries(kinds)) {
    await client.uploadFile({ key, content })
    const { file } = await client.getFile({ id: key })
    assert.equal(file.size, 70_000, key)
    assert.equal(file.contentType, 'application/octet-stream', key)
    const got = Buffer.from(await (await fetch(file.url)).arrayBuffer())
    assert.ok(got.equals(Buffer.from(bytes)), key)
  }
  const { file: text } = await client.uploadFile({ key: 'text.txt', content: 'ünï €' })
  assert.equal(text.size, 9)
})

test('the client can copy from a URL', async () => {
  const client = server.client()
  const { file: source } = await client.uploadFile({ key: 's.txt', content: 'from afar', accessPolicies: ['public_content'] })
  await client.uploadFile({ key: 'd.txt', url: source.url })
  assert.equal(await (await fetch((await client.getFile({ id: 'd.txt' })).file.url)).text(), 'from afar')
})

test('private content needs its signature', async () => {
  const client = server.client()
  const { file } = await client.uploadFile({ key: 'p.txt', content: 'secret' })
  assert.equal(await (await fetch(file.url)).text(), 'secret', 'the URL of the upsert works after the upload')
  const { url } = (await client.getFile({ id: file.id })).file
  const plain = await fetch(url)
  assert.equal(await plain.text(), 'secret')
  assert.match(plain.headers.get('content-type'), /^text\/plain/)
  assert.equal(plain.headers.get('content-length'), '6')
  assert.equal(plain.headers.get('x-content-type-options'), 'nosniff')
  for (const [what, changed] of tampered(url)) {
    const response = await fetch(changed)
    assert.ok([401, 403, 404].includes(response.status), `${what}: answered ${response.status}`)
    assert.ok(!(await response.text()).includes('secret'), what)
  }
  const bare = new URL(url)
  bare.search = ''
  refused(await fetch(bare))
  refused(await fetch(url, { method: 'PUT', body: 'hacked' }))
  assert.equal(await (await fetch(url)).text(), 'secret')
})

test('public content has one permanent URL that needs nothing', async () => {
  const client = server.client()
  const { file } = await client.uploadFile({
    key: 'pub.html',
    content: '<script>alert(1)</script>',
    accessPolicies: ['public_content'],
    publicContentImmediatelyAccessible: true,
  })
  const first = (await client.getFile({ id: file.id })).file
  const second = (await client.getFile({ id: file.id })).file
  assert.equal(first.url, second.url)
  assert.equal(first.url, file.url)
  assert.deepEqual(first.accessPolicies, ['public_content'])
  const response = await fetch(first.url)
  assert.equal(await response.text(), '<script>alert(1)</script>')
  assert.match(response.headers.get('content-security-policy') ?? '', /sandbox/)
  assert.match(response.headers.get('content-disposition') ?? '', /^attachment/)
  await client.updateFileMetadata({ id: file.id, accessPolicies: [] })
  refused(await fetch(first.url))
  await client.updateFileMetadata({ id: file.id, accessPolicies: ['public_content'] })
  assert.equal((await fetch(first.url)).status, 200)
})

test('two bots with one key keep their own content', async () => {
  const [a, b] = [server.client(), server.client()]
  const mine = (await a.uploadFile({ key: 'same.txt', content: 'mine' })).file
  const yours = (await b.uploadFile({ key: 'same.txt', content: 'yours' })).file
  assert.notEqual(mine.id, yours.id)
  assert.equal(await (await fetch(mine.url)).text(), 'mine')
  assert.equal(await (await fetch(yours.url)).text(), 'yours')
})

test('broken documents fail with a reason a reader understands', async () => {
  const client = server.client()
  const bad = {
    'broken.pdf': '%PDF-1.7\nthis is not really a PDF',
    'picture.bin': Buffer.from([0, 1, 2, 3, 255, 254, 0, 0]),
    'archive.docx': 'PK\u0003\u0004 nothing',
  }
  for (const [key, content] of Object.entries(bad)) {
    const { file } = await client.uploadFile({ key, content, index: true })
    const done = await settled(client, file.id)
    assert.equal(done.status, 'indexing_failed', key)
    assert.ok(done.failedStatusReason.length >= 10, `${key}: ${done.failedStatusReason}`)
    assert.ok(!/panic|unwrap|\/tmp|\.rs/.test(done.failedStatusReason), done.failedStatusReason)
  }
  assert.deepEqual((await client.searchFiles({ query: 'nothing' })).passages, [])
  const fixed = await indexed(client, 'broken.pdf', 'The valve closes clockwise.', { contentType: 'text/markdown' })
  assert.deepEqual([fixed.status, fixed.failedStatusReason], ['indexing_completed', undefined])
  assert.match((await client.searchFiles({ query: 'valve' })).passages[0].content, /clockwise/)
})

test('unknown indexing features are taken and skipped', async () => {
  const client = server.client()
  const { file } = await client.uploadFile({
    key: 'adk.md',
    content: '# Lamp\n\nThe lamp needs a bulb of type E27.',
    index: true,
    indexing: {
      configuration: {
        vision: { indexPages: true, transcribePages: 'all' },
        summarization: { enable: false },
        parsing: { mode: 'agent', minimumParagraphLength: 50, smartCleanup: true },
        chunking: { maximumChunkLength: 500, embeddedContextLevels: 1, embedBreadcrumb: true },
        stack: 'realtime-v1',
      },
    },
  })
  assert.equal((await settled(client, file.id)).status, 'indexing_completed')
  assert.match((await client.searchFiles({ query: 'which bulb does the lamp need' })).passages[0].content, /E27/)
  const botId = client.config.headers['x-bot-id']
  const facts = (await server.fetch('GET', `/v1/quarry/files/${file.id}/facts`, { botId })).json
  assert.deepEqual(facts.skippedOptions, ['parsing.smartCleanup', 'vision.transcribePages', 'vision.indexPages'])
})

test('bad upserts say what to change', async () => {
  const client = server.client()
  const bad = [
    [{ key: 'x' }, /size/],
    [{ size: 1 }, /key/],
    [{ key: '', size: 1 }, /key/],
    [{ key: 'x', size: -1 }, /size/],
    [{ key: 'x', size: 1.5 }, /size/],
    [{ key: 'x', size: 'big' }, /size/],
    [{ key: 'x', size: 1, tags: { a: 5 } }, /tags/],
    [{ key: 'x', size: 1, tags: { a: 'v'.repeat(1001) } }, /1000/],
    [{ key: 'x', size: 1, accessPolicies: ['everyone'] }, /accessPolicies/],
    [{ key: 'x', size: 1, index: 'yes' }, /index/],
  ]
  for (const [body, about] of bad) {
    const error = await thrown(client.upsertFile(body))
    assert.ok(error instanceof InvalidPayloadError, `${JSON.stringify(body)}: ${error.type}`)
    assert.match(error.message, about)
  }
  assert.deepEqual((await client.listFiles({})).files, [])
})

test('browsers may preflight an upload', async () => {
  const { file } = await server.client(newBot()).upsertFile({ key: 'c.txt', size: 1 })
  const response = await fetch(file.uploadUrl, {
    method: 'OPTIONS',
    headers: {
      origin: 'https://app.example.org',
      'access-control-request-method': 'PUT',
      'access-control-request-headers': 'content-type,x-amz-tagging',
    },
  })
  assert.ok(response.ok)
  assert.equal(response.headers.get('access-control-allow-origin'), 'https://app.example.org')
  assert.match(response.headers.get('access-control-allow-methods'), /PUT/)
  assert.match(response.headers.get('access-control-allow-headers').toLowerCase(), /x-amz-tagging/)
})
