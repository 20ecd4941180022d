import { readBasket, setQuantity } from './basket.js';
import { books, money } from './catalogue.js';

const table = document.querySelector('#basket-table');
const rows = table.querySelector('tbody');
const total = document.querySelector('#basket-total');
const empty = document.querySelector('#basket-empty');

function cell(content) {
  const td = document.createElement('td');
  td.append(content);
  return td;
}

function draw() {
  const basket = readBasket();
  const lines = books.filter((book) => basket[book.stock]);
  rows.replaceChildren(
    ...lines.map((book) => {
      const row = document.createElement('tr');
      const link = document.createElement('a');
      link.href = `/books/${book.slug}/`;
      link.textContent = book.title;
      const quantity = document.createElement('input');
      quantity.type = 'number';
      quantity.min = '0';
      quantity.max = '20';
      quantity.value = String(basket[book.stock]);
      quantity.setAttribute('aria-label', `Copies of ${book.title}`);
      quantity.addEventListener('change', () => setQuantity(book.stock, Number(quantity.value) || 0));
      row.append(cell(link), cell(quantity), cell(money(book.price * basket[book.stock])));
      return row;
    }),
  );
  total.textContent = money(lines.reduce((sum, book) => sum + book.price * basket[book.stock], 0));
  table.hidden = lines.length === 0;
  empty.hidden = lines.length > 0;
}

draw();
document.addEventListener('basket', draw);
