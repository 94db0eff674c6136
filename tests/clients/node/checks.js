// SPDX-License-Identifier: BSD-3-Clause
/* What both suites of Node clients share: a list of checks, waiting for a condition, a limit of
 * time on everything. The last line is "N passed, N failed". */
'use strict';

const patience = Number(process.env.WEIR_PATIENCE || '1');
const port = Number(process.env.WEIR_PORT);
const isWeir = process.env.PEER !== 'redis';
const checks = [];

function check(name, body) {
  checks.push({ name, body });
}

/* Rejects when the promise takes too long, so that a lost reply is a failed check, not a hang. */
function within(seconds, promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${seconds * patience} s in vain: ${what}`)),
      seconds * patience * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function until(condition, what, seconds = 10) {
  const deadline = Date.now() + seconds * patience * 1000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 5); });
  }
}

/* Resolves with the arguments of the next `event` of an emitter. */
function next(emitter, event) {
  return within(10, new Promise((resolve) => {
    emitter.once(event, (...args) => resolve(args));
  }), event);
}

async function runChecks() {
  const wanted = process.argv.slice(2);
  let passed = 0;
  let failed = 0;
  for (const { name, body } of checks) {
    if (wanted.length > 0 && !wanted.some((word) => name.includes(word))) continue;
    const began = Date.now();
    try {
      await within(60, body(), name);
      passed += 1;
      console.log(`ok      ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name}\n${error.stack || error}`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}

/* An error that nobody waits for is a mistake of the client, the server or the test. */
process.on('unhandledRejection', (error) => {
  console.log(`FAILED  a promise that nobody looked at was rejected\n${error.stack || error}`);
  console.log('0 passed, 1 failed');
  process.exit(1);
});

module.exports = { check, runChecks, until, next, within, port, isWeir };
