// Help pages, for the search box.
export const guides = [
  { url: '/docs/ordering/', title: 'How to order', words: 'order basket collect counter telephone post payment gift wrap' },
  { url: '/docs/delivery/', title: 'Delivery', words: 'postage parcel rates islands zones tracking weight overseas' },
  { url: '/docs/returns/', title: 'Returns', words: 'refund exchange damaged faulty wrong book' },
  { url: '/docs/accounts/', title: 'Accounts', words: 'account library school invoice credit discount' },
  { url: '/docs/reading-groups/', title: 'Reading groups', words: 'club group sets loan meeting discussion' },
  { url: '/docs/catalogue-data/', title: 'Catalogue data', words: 'json feed fields data stock api download' },
  { url: '/docs/conditions.html', title: 'How we grade used books', words: 'second-hand fine good fair condition grade' },
  { url: '/docs/glossary.html', title: 'Glossary', words: 'terms foxing quarto slipcase remainder endpaper' },
  { url: '/about/', title: 'About the shop', words: 'hours opening address history people' },
];
