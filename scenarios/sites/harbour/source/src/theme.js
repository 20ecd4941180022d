const KEY = 'harbour-theme';

function apply(theme, button) {
  document.documentElement.dataset.theme = theme;
  button?.setAttribute('aria-pressed', String(theme === 'dark'));
  if (button) button.textContent = theme === 'dark' ? 'Light' : 'Dark';
}

export function setUpTheme(button) {
  let theme = null;
  try {
    theme = localStorage.getItem(KEY);
  } catch {
    // Storage is switched off: follow the system setting.
  }
  theme ??= matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  apply(theme, button);
  button?.addEventListener('click', () => {
    theme = theme === 'dark' ? 'light' : 'dark';
    apply(theme, button);
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // As above.
    }
  });
}
