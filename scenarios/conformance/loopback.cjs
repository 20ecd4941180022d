// Loaded before the suite's server, which would listen on all interfaces and say so in words.
const net = require('node:net')
const listen = net.Server.prototype.listen

net.Server.prototype.listen = function (port) {
  this.prependOnceListener('listening', () => {
    console.log(JSON.stringify({ listening: `127.0.0.1:${this.address().port}` }))
  })
  return listen.call(this, { port, host: '127.0.0.1' })
}
