import { books } from './catalogue.js';
import { guides } from './guides.js';

const entries = [
  ...books.map((b) => ({
    url: `/books/${b.slug}/`,
    title: b.title,
    text: `${b.title} ${b.author} ${b.subject} ${b.summary}`.toLowerCase(),
  })),
  ...guides.map((g) => ({ url: g.url, title: g.title, text: `${g.title} ${g.words}`.toLowerCase() })),
];

export function find(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  return entries
    .map((entry) => {
      let score = 0;
      for (const word of words) {
        const at = entry.text.indexOf(word);
        if (at < 0) return { entry, score: 0 };
        score += entry.title.toLowerCase().includes(word) ? 3 : 1;
      }
      return { entry, score };
    })
    .filter((hit) => hit.score > 0)
    .sort((a, b) => b.score - a.score || a.entry.title.localeCompare(b.entry.title))
    .slice(0, 8)
    .map((hit) => hit.entry);
}

export function setUpSearch(box, list) {
  const show = () => {
    const hits = find(box.value);
    list.replaceChildren(
      ...hits.map((hit) => {
        const item = document.createElement('li');
        const link = document.createElement('a');
        link.href = hit.url;
        link.textContent = hit.title;
        item.append(link);
        return item;
      }),
    );
    list.hidden = hits.length === 0;
  };
  box.addEventListener('input', show);
  box.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') list.hidden = true;
  });
  document.addEventListener('click', (event) => {
    if (!box.form.contains(event.target)) list.hidden = true;
  });
  show();
}
