// Builds the site assembled in .work/site (see ../build.sh) as a multi-page
// static site: every HTML file outside _layouts/ is a page.
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const root = join(dirname(fileURLToPath(import.meta.url)), '.work', 'site');
const { books, money } = await import(join(root, 'src', 'catalogue.js'));
const origin = 'https://harbour-books.example';

function findPages(dir) {
  return readdirSync(dir, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(dir, entry.name);
      if (entry.isDirectory()) {
        return ['_layouts', 'public'].includes(entry.name) ? [] : findPages(path);
      }
      return entry.name.endsWith('.html') ? [path] : [];
    });
}

const pages = findPages(root).map((path) => relative(root, path));
const pageUrl = (page) => '/' + page.replace(/index\.html$/, '');
const layout = (name) => readFileSync(join(root, '_layouts', `${name}.html`), 'utf8');
const bySlug = (slug) => {
  const book = books.find((b) => b.slug === slug);
  if (!book) throw new Error(`no such book: ${slug}`);
  return book;
};

const escape = (text) =>
  String(text).replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');

const fill = (template, values) =>
  template.replace(/\{\{([\w-]+)\}\}/g, (whole, key) => {
    if (!(key in values)) throw new Error(`layout value missing: ${key}`);
    return values[key];
  });

const card = (book) => `<li class="card" data-subject="${book.subject}">
  <a href="/books/${book.slug}/">
    <img src="/images/covers/${book.slug}.svg" alt="" width="240" height="340" loading="lazy">
    <strong>${escape(book.title)}</strong>
  </a>
  <span>${escape(book.author)}</span>
  <span class="price">${money(book.price)}</span>
</li>`;

// A page starts with a comment of "key: value" lines; the rest is its body.
function readPage(html, page) {
  const head = /^<!--\n([\s\S]*?)\n-->\n/.exec(html);
  if (!head) throw new Error(`${page}: no page header`);
  const meta = Object.fromEntries(
    head[1].split('\n').map((line) => {
      const at = line.indexOf(':');
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    }),
  );
  return { meta, body: html.slice(head[0].length) };
}

const sections = { home: '', books: '', docs: '', about: '', basket: '', none: '' };

function renderPage(html, page) {
  const { meta, body } = readPage(html, page);
  let { title, description, section = 'none', kind = 'plain' } = meta;
  let main = body
    .replace('<!-- books: all -->', () => books.map(card).join('\n'))
    .replace('<!-- books: featured -->', () => books.filter((b) => b.featured).map(card).join('\n'));
  if (kind === 'book') {
    const book = bySlug(page.split('/')[1]);
    title = `${book.title}, by ${book.author}`;
    description = book.summary;
    main = fill(layout('book'), {
      slug: book.slug,
      title: escape(book.title),
      author: escape(book.author),
      summary: escape(book.summary),
      subject: book.subject,
      binding: book.binding,
      pages: book.pages,
      year: book.year,
      stock: book.stock,
      price: money(book.price),
      body: main,
      related: book.related.map((slug) => card(bySlug(slug))).join('\n'),
    });
  }
  if (kind === 'docs') main = fill(layout('docs'), { body: main });
  const extra = (meta.scripts ?? '').split(/\s+/).filter(Boolean);
  const styles = (meta.styles ?? '').split(/\s+/).filter(Boolean);
  if (kind === 'book') { extra.push('book'); styles.push('books'); }
  if (kind === 'docs') { extra.push('docs'); styles.push('docs'); }
  const current = Object.fromEntries(
    Object.keys(sections).map((s) => [`at-${s}`, s === section ? ' aria-current="true"' : '']),
  );
  return fill(layout('page'), {
    title: escape(title),
    description: escape(description),
    canonical: origin + pageUrl(page),
    styles: styles.map((s) => `<link rel="stylesheet" href="/src/${s}.css">`).join('\n  '),
    scripts: extra.map((s) => `<script type="module" src="/src/${s}.js"></script>`).join('\n  '),
    ...current,
    main: main.trim(),
  });
}

const site = {
  name: 'harbour-pages',
  transformIndexHtml: {
    order: 'pre',
    handler: (html, ctx) => renderPage(html, ctx.path.replace(/^\//, '')),
  },
  generateBundle() {
    const listed = pages.filter((page) => page !== '404.html' && !page.startsWith('basket/'));
    this.emitFile({
      type: 'asset',
      fileName: 'sitemap.xml',
      source:
        '<?xml version="1.0" encoding="UTF-8"?>\n' +
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n' +
        listed.map((page) => `  <url><loc>${origin}${pageUrl(page)}</loc></url>\n`).join('') +
        '</urlset>\n',
    });
    this.emitFile({
      type: 'asset',
      fileName: 'data/catalogue.json',
      source:
        JSON.stringify(
          books.map(({ stock, slug, title, author, subject, binding, pages: length, year, price }) => ({
            stock, title, author, subject, binding, pages: length, year,
            price_pence: price, url: `/books/${slug}/`,
          })),
          null,
          1,
        ) + '\n',
    });
  },
};

export default defineConfig({
  root,
  plugins: [site],
  build: {
    manifest: true,
    assetsInlineLimit: 0,
    rollupOptions: {
      input: pages.map((page) => join(root, page)),
    },
  },
});
