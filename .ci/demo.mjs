// `npm run demo`: installs, builds and runs `lab demo`.
process.argv.splice(2, 0, 'demo');
await import('./lab.mjs');
