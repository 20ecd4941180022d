// A list of the page's own headings, a mark on the current guide, and copy
// buttons on code samples.
const here = location.pathname.replace(/index\.html$/, '');
for (const link of document.querySelectorAll('.docs-nav a')) {
  if (link.getAttribute('href') === here) link.setAttribute('aria-current', 'page');
}

const toc = document.querySelector('#toc');
const headings = [...document.querySelectorAll('.docs-main h2')];
if (toc && headings.length > 2) {
  const list = toc.querySelector('ol');
  for (const heading of headings) {
    heading.id ||= heading.textContent
      .trim()
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '');
    const item = document.createElement('li');
    const link = document.createElement('a');
    link.href = `#${heading.id}`;
    link.textContent = heading.textContent;
    item.append(link);
    list.append(item);
  }
  toc.hidden = false;
}

for (const sample of document.querySelectorAll('.docs-main pre')) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'copy';
  button.textContent = 'Copy';
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(sample.querySelector('code').textContent);
      button.textContent = 'Copied';
    } catch {
      button.textContent = 'Not copied';
    }
    setTimeout(() => (button.textContent = 'Copy'), 2000);
  });
  sample.append(button);
}
