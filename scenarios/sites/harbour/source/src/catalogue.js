// The whole catalogue. Prices are in pence.
export const books = [
  {
    stock: 'HB-0101', slug: 'tide-tables-for-beginners', title: 'Tide Tables for Beginners',
    author: 'Ines Corrigan', subject: 'Practical', binding: 'Paperback', pages: 168, year: 2019, price: 1150,
    featured: true, related: ['weather-from-the-step', 'charts-and-their-makers', 'knots-you-will-use'],
    summary: 'A patient explanation of how the tables are made, how to read them, and when not to trust them.',
  },
  {
    stock: 'HB-0107', slug: 'the-lamp-room', title: 'The Lamp Room',
    author: 'Tobias Ferrowhite', subject: 'Fiction', binding: 'Hardback', pages: 312, year: 2022, price: 1699,
    featured: true, related: ['the-ferry-clerk', 'mending-nets', 'the-drowned-village'],
    summary: 'The last three keepers of an offshore light wait for the machine that will replace them.',
  },
  {
    stock: 'HB-0112', slug: 'knots-you-will-use', title: 'Knots You Will Use',
    author: 'Marit Oldcastle', subject: 'Practical', binding: 'Spiral bound', pages: 96, year: 2017, price: 895,
    featured: false, related: ['small-boat-repairs', 'tide-tables-for-beginners', 'pip-and-the-pilot-boat'],
    summary: 'Fourteen knots, drawn large, with the reasons you would pick one and not another.',
  },
  {
    stock: 'HB-0118', slug: 'salt-kitchen', title: 'Salt Kitchen',
    author: 'Della Marchbank', subject: 'Cookery', binding: 'Hardback', pages: 256, year: 2021, price: 2400,
    featured: true, related: ['a-year-of-estuary-birds', 'mending-nets', 'the-drowned-village'],
    summary: 'Seventy plain recipes from a quayside canteen, arranged by what came in that morning.',
  },
  {
    stock: 'HB-0123', slug: 'a-year-of-estuary-birds', title: 'A Year of Estuary Birds',
    author: 'Hamish Tolliver', subject: 'Nature', binding: 'Hardback', pages: 220, year: 2020, price: 1850,
    featured: true, related: ['weather-from-the-step', 'tide-tables-for-beginners', 'salt-kitchen'],
    summary: 'One mudflat, one notebook and fifty-two weekly counts, with drawings by the author.',
  },
  {
    stock: 'HB-0129', slug: 'the-ferry-clerk', title: 'The Ferry Clerk',
    author: 'Oona Drysdale', subject: 'Fiction', binding: 'Paperback', pages: 284, year: 2018, price: 999,
    featured: false, related: ['the-lamp-room', 'the-drowned-village', 'mending-nets'],
    summary: 'A ticket clerk notices that one passenger always crosses and never comes back.',
  },
  {
    stock: 'HB-0134', slug: 'weather-from-the-step', title: 'Weather from the Step',
    author: 'Wilfred Garrow', subject: 'Nature', binding: 'Paperback', pages: 144, year: 2011, price: 850,
    featured: false, related: ['a-year-of-estuary-birds', 'tide-tables-for-beginners', 'charts-and-their-makers'],
    summary: 'Forecasting for people with a doorstep, a view of some sky and ten minutes before work.',
  },
  {
    stock: 'HB-0140', slug: 'small-boat-repairs', title: 'Small Boat Repairs',
    author: 'Petra Lindqvale', subject: 'Practical', binding: 'Paperback', pages: 198, year: 2016, price: 1425,
    featured: false, related: ['knots-you-will-use', 'tide-tables-for-beginners', 'charts-and-their-makers'],
    summary: 'What can be mended on a beach, what needs a shed, and what should be left to the yard.',
  },
  {
    stock: 'HB-0146', slug: 'the-drowned-village', title: 'The Drowned Village',
    author: 'Sunniva Harkett', subject: 'History', binding: 'Hardback', pages: 340, year: 2023, price: 2100,
    featured: true, related: ['charts-and-their-makers', 'the-lamp-room', 'the-ferry-clerk'],
    summary: 'How a parish of two hundred people moved uphill, house by house, over eighty years.',
  },
  {
    stock: 'HB-0151', slug: 'pip-and-the-pilot-boat', title: 'Pip and the Pilot Boat',
    author: 'Bea Thornley', subject: 'Children', binding: 'Board book', pages: 32, year: 2021, price: 750,
    featured: true, related: ['knots-you-will-use', 'a-year-of-estuary-birds', 'salt-kitchen'],
    summary: 'Pip is small and the ship is large, but only one of them knows where the sandbank is.',
  },
  {
    stock: 'HB-0157', slug: 'mending-nets', title: 'Mending Nets',
    author: 'Callum Strake', subject: 'Poetry', binding: 'Paperback', pages: 72, year: 2022, price: 1000,
    featured: false, related: ['the-lamp-room', 'the-ferry-clerk', 'salt-kitchen'],
    summary: 'Forty-one short poems about work done by hand, most of them written indoors in winter.',
  },
  {
    stock: 'HB-0162', slug: 'charts-and-their-makers', title: 'Charts and Their Makers',
    author: 'Leopold Wyndrush', subject: 'History', binding: 'Hardback', pages: 296, year: 2015, price: 2650,
    featured: false, related: ['the-drowned-village', 'tide-tables-for-beginners', 'small-boat-repairs'],
    summary: 'Six surveyors, six coasts, and the long argument about what a chart should leave out.',
  },
];

export const subjects = [...new Set(books.map((book) => book.subject))].sort();

export const money = (pence) => `£${(pence / 100).toFixed(2)}`;
