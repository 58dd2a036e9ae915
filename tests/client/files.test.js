// Files: their life, their fields, their lists, their tags.
'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { AlreadyExistsError, ResourceNotFoundError, InvalidPayloadError } = require('@botpress/client')
const { serve, newBot, settled, indexed, thrown } = require('./harness')

const server = serve(test)
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/

test('a file lives from upload_pending to indexing_completed', async () => {
  const bot = newBot()
  const client = server.client(bot)
  const { file: pending } = await client.upsertFile({ key: 'guide.md', size: 27, index: true })
  assert.match(pending.id, /^file_[0-9A-HJKMNP-TV-Z]{26}$/)
  assert.equal(pending.status, 'upload_pending')
  assert.equal(pending.botId, bot)
  assert.equal(pending.key, 'guide.md')
  assert.equal(pending.contentType, 'text/markdown')
  assert.equal(pending.index, true)
  assert.deepEqual(pending.tags, {})
  assert.deepEqual(pending.metadata, {})
  assert.deepEqual(pending.accessPolicies, [])
  assert.equal(pending.owner.type, 'bot')
  assert.match(pending.createdAt, ISO)
  assert.match(pending.updatedAt, ISO)
  assert.match(pending.uploadUrl, /^http:\/\/127\.0\.0\.1:\d+\//)
  assert.match(pending.url, /^http:\/\/127\.0\.0\.1:\d+\//)
  assert.equal((await client.getFile({ id: pending.id })).file.uploadUrl, undefined)

  const body = '# Kettle\n\nBoil water first.'
  assert.equal(Buffer.byteLength(body), 27)
  const put = await fetch(pending.uploadUrl, { method: 'PUT', body, headers: { 'content-type': 'text/markdown' } })
  assert.ok(put.ok, `PUT answered ${put.status}`)
  const after = (await client.getFile({ id: pending.id })).file
  assert.ok(['indexing_pending', 'indexing_completed'].includes(after.status), after.status)
  assert.equal(after.size, 27)

  const done = await settled(client, pending.id)
  assert.equal(done.status, 'indexing_completed')
  assert.equal(done.indexingStack, 'v2')
  assert.equal(done.failedStatusReason, undefined)
})

test('without index the upload is complete at once and never indexed', async () => {
  const client = server.client()
  const { file } = await client.uploadFile({ key: 'logo.bin', content: Buffer.from([1, 2, 3, 0, 255]) })
  assert.equal(file.size, 5)
  const got = (await client.getFile({ id: file.id })).file
  assert.equal(got.status, 'upload_completed')
  assert.equal(got.index, false)
  assert.equal(got.contentType, 'application/octet-stream')
  assert.equal(got.indexingStack, undefined)
  const bytes = Buffer.from(await (await fetch(got.url)).arrayBuffer())
  assert.deepEqual([...bytes], [1, 2, 3, 0, 255])
})

test('content types come from the key unless given', async () => {
  const client = server.client()
  const typeOf = async (key, contentType) =>
    (await client.upsertFile({ key, size: 1, ...(contentType && { contentType }) })).file.contentType
  assert.match(await typeOf('a.mdx'), /^text\/markdown/)
  assert.match(await typeOf('a.html'), /^text\/html/)
  assert.match(await typeOf('a.txt'), /^text\/plain/)
  assert.equal(await typeOf('a.pdf'), 'application/pdf')
  assert.equal(await typeOf('noextension'), 'application/octet-stream')
  assert.equal(await typeOf('a.pdf.x', 'application/x-mine'), 'application/x-mine')
})

test('id and key open the same file, odd keys included', async () => {
  const client = server.client()
  const keys = [
    'folder/sub folder/a b.txt',
    'data_source://web-page/ds1/https%3A%2F%2Fexample.com%2Fpage',
    'bot->x->models.config.json',
    'ünïcode/日本語.md',
    'q?a=b&c#d%2Fe',
  ]
  for (const key of keys) {
    const { file } = await client.uploadFile({ key, content: key })
    const byKey = (await client.getFile({ id: key })).file
    assert.equal(byKey.id, file.id)
    assert.equal(byKey.key, key)
    assert.equal(await (await fetch(byKey.url)).text(), key)
  }
  assert.equal((await client.listFiles({})).files.length, keys.length)
})

test('the same key replaces content and keeps one file', async () => {
  const client = server.client()
  const first = (await client.uploadFile({ key: 'k.txt', content: 'one', tags: { a: '1' } })).file
  const old = (await client.getFile({ id: first.id })).file.url
  const again = (await client.upsertFile({ key: 'k.txt', size: 5 })).file
  assert.equal(again.status, 'upload_pending')
  await fetch(again.uploadUrl, { method: 'PUT', body: 'three' })
  const { files } = await client.listFiles({})
  assert.equal(files.length, 1)
  assert.equal(files[0].size, 5)
  assert.equal(await (await fetch(files[0].url)).text(), 'three')
  const stale = await fetch(old)
  assert.notEqual(await stale.text(), 'one')
})

test('metadata round-trips exactly and is patched by key', async () => {
  const client = server.client()
  const metadata = {
    title: 'Manual “B” — 2nd',
    hash: 'a'.repeat(64),
    nested: { list: [1, 2.5, null, { deep: true }], empty: {} },
    big: 9007199254740991,
    small: -1e-7,
    zero: 0,
    no: false,
    none: '',
  }
  const { file } = await client.uploadFile({ key: 'm.txt', content: 'x', metadata, tags: { lang: 'en', draft: 'true' } })
  assert.deepEqual((await client.getFile({ id: file.id })).file.metadata, metadata)
  const { file: patched } = await client.updateFileMetadata({
    id: 'm.txt',
    metadata: { title: 'New', nested: null, added: [1] },
    tags: { draft: null, neverThere: null, lang: 'fr' },
  })
  const { nested: _, ...rest } = metadata
  assert.deepEqual(patched.metadata, { ...rest, title: 'New', added: [1] })
  assert.deepEqual(patched.tags, { lang: 'fr' })
  const { file: untouched } = await client.updateFileMetadata({ id: file.id })
  assert.deepEqual(untouched.metadata, patched.metadata)
  assert.deepEqual(untouched.tags, { lang: 'fr' })
})

test('expiry is set, shown, removed and bounded', async () => {
  const client = server.client()
  const in30days = new Date(Date.now() + 30 * 86_400_000).toISOString()
  const { file } = await client.upsertFile({ key: 'e.txt', size: 1, expiresAt: in30days })
  assert.ok(Math.abs(Date.parse(file.expiresAt) - Date.parse(in30days)) <= 60_000)
  const cleared = (await client.updateFileMetadata({ id: file.id, expiresAt: null })).file
  assert.equal(cleared.expiresAt, undefined)
  for (const ms of [-86_400_000, 91 * 86_400_000]) {
    const bad = { key: 'e2.txt', size: 1, expiresAt: new Date(Date.now() + ms).toISOString() }
    assert.ok((await thrown(client.upsertFile(bad))) instanceof InvalidPayloadError)
  }
})

test('deleting by id or key removes the record and the content', async () => {
  const client = server.client()
  const a = (await client.uploadFile({ key: 'a.txt', content: 'aa', accessPolicies: ['public_content'] })).file
  const b = (await client.uploadFile({ key: 'b.txt', content: 'bb' })).file
  assert.deepEqual(await client.deleteFile({ id: a.id }), {})
  assert.deepEqual(await client.deleteFile({ id: 'b.txt' }), {})
  for (const id of [a.id, 'a.txt', b.id, 'b.txt']) {
    assert.ok((await thrown(client.getFile({ id }))) instanceof ResourceNotFoundError)
  }
  assert.ok((await thrown(client.deleteFile({ id: a.id }))) instanceof ResourceNotFoundError)
  assert.equal((await fetch(a.url)).status, 404)
  assert.ok((await fetch(b.url)).status >= 400)
  assert.deepEqual(await client.listFiles({}), { files: [], meta: {} })
})

test('lists page through everything once, in the order asked for', async () => {
  const client = server.client()
  const sizes = [5, 3, 9, 1, 7]
  for (let i = 0; i < 25; i++) {
    await client.upsertFile({ key: `f${String(i).padStart(2, '0')}`, size: sizes[i % 5] })
  }
  const first = await client.listFiles({})
  assert.equal(first.files.length, 20)
  assert.equal(first.files[0].key, 'f24', 'newest first')
  assert.ok(first.meta.nextToken)
  const second = await client.listFiles({ nextToken: first.meta.nextToken })
  assert.equal(second.files.length, 5)
  assert.equal(second.meta.nextToken, undefined)
  const all = [...first.files, ...second.files].map((file) => file.key)
  assert.equal(new Set(all).size, 25)

  const keys = (await client.listFiles({ pageSize: 4, sortField: 'key', sortDirection: 'asc' })).files.map((f) => f.key)
  assert.deepEqual(keys, ['f00', 'f01', 'f02', 'f03'])
  const seen = []
  let nextToken
  do {
    const page = await client.listFiles({ pageSize: 7, sortField: 'key', sortDirection: 'desc', nextToken })
    seen.push(...page.files.map((f) => f.key))
    nextToken = page.meta.nextToken
  } while (nextToken)
  assert.deepEqual(seen, [...all].sort().reverse())

  const ids = first.files.slice(2, 5).map((file) => file.id)
  const picked = (await client.listFiles({ ids })).files.map((file) => file.id)
  assert.deepEqual(picked.sort(), ids.sort())
  assert.equal((await client.listFiles({ ids: [ids[0]] })).files.length, 1)
})

test('lists sort by size and status and tell indexed from not indexed', async () => {
  const client = server.client()
  await client.uploadFile({ key: 'mid.bin', content: Buffer.alloc(20) })
  await client.uploadFile({ key: 'big.bin', content: Buffer.alloc(300) })
  await indexed(client, 'doc.txt', 'short text')
  const bySize = (await client.listFiles({ sortField: 'size', sortDirection: 'asc' })).files
  assert.deepEqual(bySize.map((file) => file.size), [10, 20, 300])
  const down = (await client.listFiles({ sortField: 'size', sortDirection: 'desc' })).files
  assert.deepEqual(down.map((file) => file.key), ['big.bin', 'mid.bin', 'doc.txt'])
  assert.deepEqual((await client.listFiles({ indexed: true })).files.map((f) => f.key), ['doc.txt'])
  assert.equal((await client.listFiles({ indexed: false })).files.length, 2)
})

test('tag filters work in every form the client and the docs use', async () => {
  const bot = newBot()
  const client = server.client(bot)
  const put = (key, tags) => client.upsertFile({ key, size: 1, tags })
  await put('1', { category: 'Sales & Co', lang: 'en' })
  await put('2', { category: 'Support', lang: 'en' })
  await put('3', { category: 'Support', lang: 'fr', 'a.b': 'x' })
  await put('4', { lang: 'de', 'sp ace': 'y', 'x-z[1]': 'w' })
  await put('5', {})

  const keys = async (tags) => (await client.listFiles({ tags })).files.map((file) => file.key).sort().join('')
  assert.equal(await keys({ category: 'Sales & Co' }), '1')
  assert.equal(await keys({ category: ['Sales & Co', 'Support'] }), '123')
  assert.equal(await keys({ category: ['Support'] }), '23')
  assert.equal(await keys({ category: [] }), '12345')
  assert.equal(await keys({}), '12345')
  assert.equal(await keys({ category: 'Support', lang: 'fr' }), '3')
  assert.equal(await keys({ category: { not: 'Support' } }), '145')
  assert.equal(await keys({ category: { not: ['Support', 'Sales & Co'] } }), '45')
  assert.equal(await keys({ category: { exists: false } }), '45')
  assert.equal(await keys({ category: { exists: true } }), '123')
  assert.equal(await keys({ lang: { in: ['fr', 'de'] } }), '34')
  assert.equal(await keys({ lang: { in: 'fr' } }), '3')
  assert.equal(await keys({ 'a.b': 'x' }), '3')
  assert.equal(await keys({ 'sp ace': 'y' }), '4')
  assert.equal(await keys({ 'x-z[1]': 'w' }), '4')
  assert.equal(await keys({ category: 'none of these' }), '')

  const raw = async (query) => {
    const { status, json } = await server.fetch('GET', `/v1/files?${query}`, { botId: bot })
    assert.equal(status, 200)
    return json.files.map((file) => file.key).sort().join('')
  }
  const asJson = (value) => `tags=${encodeURIComponent(JSON.stringify(value))}`
  assert.equal(await raw(asJson({ category: 'Support' })), '23')
  assert.equal(await raw(asJson({ category: ['Support', 'Sales & Co'] })), '123')
  assert.equal(await raw(asJson({ category: { not: 'Support' } })), '145')
  assert.equal(await raw('tags[category]=Support'), '23')
  assert.equal(await raw('tags%5Bcategory%5D=Support&tags%5Blang%5D=fr'), '3')
  assert.equal(await raw('tags[lang][0]=fr&tags[lang][1]=de'), '34')
  assert.equal(await raw('tags[category][not]=Support'), '145')
  assert.equal(await raw('tags.category.exists=false'), '45')
})

test('tags in use are listed with their values', async () => {
  const client = server.client()
  await client.upsertFile({ key: '1', size: 1, tags: { color: 'red', size: 'L' } })
  await client.upsertFile({ key: '2', size: 1, tags: { color: 'blue' } })
  await client.upsertFile({ key: '3', size: 1, tags: { color: 'red', 'a/b c': 'v' } })
  assert.deepEqual((await client.listFileTags({})).tags.sort(), ['a/b c', 'color', 'size'])
  assert.deepEqual((await client.listFileTagValues({ tag: 'color' })).values.sort(), ['blue', 'red'])
  assert.deepEqual((await client.listFileTagValues({ tag: 'a/b c' })).values, ['v'])
  await client.deleteFile({ id: '2' })
  assert.deepEqual((await client.listFileTagValues({ tag: 'color' })).values, ['red'])
})

test('copies carry content and labels, and take a free key unless told otherwise', async () => {
  const from = server.client()
  const otherBot = newBot()
  const to = server.client(otherBot)
  const source = (await from.uploadFile({ key: 'src.txt', content: 'copy me', tags: { t: '1' }, metadata: { m: [1] } })).file
  const { file: copy } = await from.copyFile({ idOrKey: 'src.txt', destinationKey: 'dir/dst.txt' })
  assert.notEqual(copy.id, source.id)
  assert.equal(copy.key, 'dir/dst.txt')
  assert.deepEqual([copy.tags, copy.metadata, copy.size], [{ t: '1' }, { m: [1] }, 7])
  assert.equal(await (await fetch(copy.url)).text(), 'copy me')
  assert.ok(
    (await thrown(from.copyFile({ idOrKey: source.id, destinationKey: 'dir/dst.txt' }))) instanceof AlreadyExistsError
  )
  const over = (await from.copyFile({ idOrKey: source.id, destinationKey: 'dir/dst.txt', overwrite: true })).file
  assert.equal(over.key, 'dir/dst.txt')
  // Destination words that are also routes are plain keys here.
  for (const destinationKey of ['passages', 'tags', 'search']) {
    assert.equal((await from.copyFile({ idOrKey: 'src.txt', destinationKey })).file.key, destinationKey)
  }
  const { file: abroad } = await from.copyFile({ idOrKey: 'src.txt', destinationKey: 'abroad', 'x-destination-bot-id': otherBot })
  assert.equal(abroad.botId, otherBot)
  assert.equal((await to.getFile({ id: 'abroad' })).file.id, abroad.id)
  assert.ok((await thrown(from.getFile({ id: abroad.id }))) instanceof ResourceNotFoundError)
})
