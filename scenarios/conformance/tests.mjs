// Prints what the suite says about its tests, as JSON: `node --input-type=module -e … INDEX`.
import { pathToFileURL } from 'node:url'

const { default: categories } = await import(pathToFileURL(process.argv[1]).href)
console.log(JSON.stringify(categories.map(category => ({
  id: category.id,
  name: category.name,
  tests: category.tests.map(({ id, name, kind, depends_on, browser_only }) => ({ id, name, kind, depends_on, browser_only }))
}))))
