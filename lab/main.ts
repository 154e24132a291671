#!/usr/bin/env node
/** The command line's entry file. */
console.log('lab');
