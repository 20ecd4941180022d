import { countItems } from './basket.js';
import { setUpTheme } from './theme.js';

setUpTheme(document.querySelector('#theme'));

const count = document.querySelector('#basket-count');
function showCount() {
  const n = countItems();
  count.textContent = String(n);
  count.hidden = n === 0;
}
showCount();
document.addEventListener('basket', showCount);
addEventListener('storage', showCount);

// The search index is only fetched by readers who use the search box.
const box = document.querySelector('#q');
box.addEventListener(
  'focus',
  async () => {
    const { setUpSearch } = await import('./search.js');
    setUpSearch(box, document.querySelector('#search-results'));
  },
  { once: true },
);

if ('serviceWorker' in navigator && location.protocol === 'https:') {
  addEventListener('load', () => navigator.serviceWorker.register('/sw.js'));
}
