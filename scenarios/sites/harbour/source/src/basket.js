// The basket lives in the reader's own browser: { "HB-0101": 2, ... }
const KEY = 'harbour-basket';

export function readBasket() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? '{}');
    return kept && typeof kept === 'object' && !Array.isArray(kept) ? kept : {};
  } catch {
    return {};
  }
}

function writeBasket(basket) {
  try {
    localStorage.setItem(KEY, JSON.stringify(basket));
  } catch {
    // Storage is full or switched off: the basket lasts as long as the page.
  }
  document.dispatchEvent(new CustomEvent('basket', { detail: basket }));
}

export function setQuantity(stock, quantity) {
  const basket = readBasket();
  if (quantity > 0) basket[stock] = Math.min(quantity, 20);
  else delete basket[stock];
  writeBasket(basket);
}

export function addOne(stock) {
  setQuantity(stock, (readBasket()[stock] ?? 0) + 1);
}

export function countItems(basket = readBasket()) {
  return Object.values(basket).reduce((sum, n) => sum + n, 0);
}
