import t from 'tap'
import { startDashboard } from './fixtures/dashboard.ts'

const types = {
  '/': 'text/html; charset=utf-8',
  '/style.css': 'text/css; charset=utf-8',
  '/main.js': 'text/javascript; charset=utf-8'
}

for (const [path, type] of Object.entries(types)) {
  t.test(`${path} is served, and sent again only after a change`, async t => {
    const { url } = await startDashboard(t)
    const response = await fetch(url + path)
    t.equal(response.status, 200)
    t.equal(response.headers.get('content-type'), type)
    t.equal(response.headers.get('cache-control'), 'no-cache')
    t.ok((await response.text()).length > 100)

    const etag = response.headers.get('etag')!
    for (const tag of [etag, `W/${etag}`, `"other", ${etag}`]) {
      const { status } = await fetch(url + path, { headers: { 'if-none-match': tag } })
      t.equal(status, 304, tag)
    }
    t.equal((await fetch(url + path, { headers: { 'if-none-match': '"other"' } })).status, 200)
  })

  t.test(`HEAD ${path} has the headers of GET`, async t => {
    const { url } = await startDashboard(t)
    const { status, headers } = await fetch(url + path, { method: 'HEAD' })
    t.equal(status, 200)
    t.equal(headers.get('content-type'), type)
    t.ok(headers.get('etag'))
  })
}

t.test('the script is one file, without a type or an import in it', async t => {
  const { url } = await startDashboard(t)
  const script = await (await fetch(`${url}/main.js`)).text()
  t.notMatch(script, /^\s*(import|interface|type|export) /m)
  t.match(script, 'EventSource')
})

t.test('the page is loaded with three requests at most, and one for its icon', async t => {
  const { url } = await startDashboard(t)
  const page = await (await fetch(`${url}/`)).text()
  const files = [...page.matchAll(/<(?:script|link)\b[^>]*\s(?:src|href)="([^"#]+)"/g)].map(([, file]) => file!)
  t.ok(files.filter(file => !file.endsWith('.svg')).length <= 2, files.join())
  for (const file of files) t.equal((await fetch(`${url}/${file}`)).status, 200, file)
})

t.test('other files are not served', async t => {
  const { url } = await startDashboard(t)
  for (const path of ['/tsconfig.json', '/main.ts', '/page.html', '/../index.js', '/%2e%2e/index.js', '/..%2findex.js', '/constructor']) {
    t.equal((await fetch(url + path)).status, 404, path)
  }
})

t.test('markup in the title is shown as text', async t => {
  const { url } = await startDashboard(t, { title: '<script>"Jobs" & \'more\' $&' })
  const page = await (await fetch(`${url}/`)).text()
  t.match(page, '<title>&#60;script&#62;&#34;Jobs&#34; &#38; &#39;more&#39; $&#38;</title>')
  t.notMatch(page, '<script>"Jobs"')
})

t.test('a page with another title has another etag', async t => {
  const [one, other] = await Promise.all(['One', 'Other'].map(async title => {
    const { url } = await startDashboard(t, { title })
    return (await fetch(`${url}/`)).headers.get('etag')
  }))
  t.not(one, other)
})

t.test('nothing in the page is inline, absolute or from elsewhere', async t => {
  const { url } = await startDashboard(t)
  const page = await (await fetch(`${url}/`)).text()
  t.notMatch(page, /<script(?![^>]* src=)|<style|\sstyle=|\son\w+=/)
  for (const [, target] of page.matchAll(/\s(?:src|href)="([^"]*)"/g)) t.match(target, /^[\w.-]*(#.*)?$/)
})

t.test('the prefix without a slash leads to the page, with its query', async t => {
  const { url } = await startDashboard(t)
  const response = await fetch(`${url}?status=failed&name=a%3Fb?c`, { redirect: 'manual' })
  t.equal(response.status, 302)
  t.equal(response.headers.get('location'), '/admin/tasks/?status=failed&name=a%3Fb?c')
  t.equal((await fetch(url)).url, `${url}/`)
})
