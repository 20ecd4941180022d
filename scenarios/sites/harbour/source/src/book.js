import { addOne, readBasket } from './basket.js';

const note = document.querySelector('#basket-note');

for (const button of document.querySelectorAll('[data-add]')) {
  button.addEventListener('click', () => {
    addOne(button.dataset.add);
    const n = readBasket()[button.dataset.add] ?? 1;
    note.textContent =
      n === 1
        ? `${button.dataset.title} is in your basket.`
        : `There are ${n} copies of ${button.dataset.title} in your basket.`;
  });
}
