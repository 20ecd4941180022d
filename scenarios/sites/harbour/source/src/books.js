import { subjects } from './catalogue.js';

const bar = document.querySelector('#subjects');
const cards = [...document.querySelectorAll('.card[data-subject]')];
const tally = document.querySelector('#tally');

function choose(subject) {
  let shown = 0;
  for (const card of cards) {
    card.hidden = subject !== 'All' && card.dataset.subject !== subject;
    if (!card.hidden) shown += 1;
  }
  for (const button of bar.querySelectorAll('button')) {
    button.setAttribute('aria-pressed', String(button.textContent === subject));
  }
  tally.textContent = shown === 1 ? '1 book' : `${shown} books`;
}

for (const subject of ['All', ...subjects]) {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = subject;
  button.addEventListener('click', () => choose(subject));
  bar.append(button);
}
choose('All');
