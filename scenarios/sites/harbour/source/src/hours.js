// Says whether the shop is open, by the reader's clock.
const hours = {
  0: [11 * 60, 16 * 60],
  2: [9 * 60 + 30, 17 * 60 + 30],
  3: [9 * 60 + 30, 17 * 60 + 30],
  4: [9 * 60 + 30, 17 * 60 + 30],
  5: [9 * 60 + 30, 17 * 60 + 30],
  6: [9 * 60 + 30, 17 * 60 + 30],
};
const names = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

const clock = (minutes) => {
  const h = Math.floor(minutes / 60);
  const m = minutes % 60;
  return `${h > 12 ? h - 12 : h}${m ? `.${String(m).padStart(2, '0')}` : ''} ${h < 12 ? 'am' : 'pm'}`;
};

export function describe(now) {
  const day = now.getDay();
  const minute = now.getHours() * 60 + now.getMinutes();
  const today = hours[day];
  if (today && minute >= today[0] && minute < today[1]) return `Open now, until ${clock(today[1])}.`;
  if (today && minute < today[0]) return `Closed just now. Open today from ${clock(today[0])}.`;
  for (let ahead = 1; ahead <= 7; ahead += 1) {
    const next = (day + ahead) % 7;
    if (hours[next]) return `Closed just now. Open on ${names[next]} from ${clock(hours[next][0])}.`;
  }
  return '';
}

const line = document.querySelector('#open-now');
if (line) line.textContent = describe(new Date());
