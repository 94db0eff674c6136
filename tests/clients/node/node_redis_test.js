// SPDX-License-Identifier: BSD-3-Clause
/* node-redis as npm ships it, unmodified: with HELLO 3, which is its default, and in RESP2. */
'use strict';

const assert = require('node:assert/strict');
const { createClient, createClientPool, RESP_TYPES, WatchError } = require('redis');
const { check, runChecks, until, next, within, port, isWeir } = require('./checks');

const open = new Set();

/* A client that is closed at the end of its check. */
async function client(options = {}) {
  const redis = createClient({ socket: { host: '127.0.0.1', port }, ...options });
  redis.on('error', () => {});
  open.add(redis);
  await redis.connect();
  return redis;
}

/* Every check leaves no connection behind, whatever its outcome. */
function checkWith(name, options, body) {
  check(name, async () => {
    try {
      const redis = await client(options);
      await redis.flushAll();
      await body(redis);
    } finally {
      for (const redis of open) if (redis.isOpen) redis.destroy();
      open.clear();
    }
  });
}

/* Iterators give single elements or pages of them, depending on the client's version. */
async function collected(iterator) {
  const found = [];
  for await (const page of iterator) {
    if (Array.isArray(page)) found.push(...page);
    else found.push(page);
  }
  return found;
}

const numbered = (prefix, count) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
const plain = (object) => ({ ...object });

/* What a subscriber hears; wait() gives the next message. */
function inbox() {
  const arrived = [];
  return {
    put: (...message) => arrived.push(message),
    wait: async () => {
      await until(() => arrived.length > 0, 'a message');
      return arrived.shift();
    },
  };
}

for (const RESP of [3, 2]) {
  const checked = (name, body) => checkWith(`RESP${RESP}: ${name}`, { RESP }, body);

  checked('the connection speaks the protocol that was asked for', async (redis) => {
    assert.equal(await redis.ping(), 'PONG');
    assert.equal((await redis.hello()).proto, RESP);
    const info = await redis.sendCommand(['CLIENT', 'INFO']);
    if (isWeir) assert.match(info, new RegExp(` resp=${RESP} lib-name=node-redis`));
    const named = await client({ RESP, name: 'somebody', database: 3 });
    assert.equal(await named.clientGetName(), 'somebody');
    assert.equal((await named.clientInfo()).db, 3);
  });

  checked('strings are set, read and counted', async (redis) => {
    const expiration = { type: 'EX', value: 100 };
    assert.equal(await redis.set('k', 'v', { expiration }), 'OK');
    assert.equal(await redis.set('k', 'w', { condition: 'NX' }), null);
    assert.equal(await redis.get('k'), 'v');
    assert.ok(await redis.ttl('k') > 95);
    assert.equal(await redis.incrBy('n', 41), 41);
    assert.equal(Number(await redis.incrByFloat('f', 1.5)), 1.5);
    await redis.mSet({ a: '1', b: '2' });
    assert.deepEqual(await redis.mGet(['a', 'absent', 'b']), ['1', null, '2']);
    await assert.rejects(redis.incr('k'), /not an integer or out of range/);
    await assert.rejects(redis.sendCommand(['NOSUCH', 'x']), /ERR unknown command 'NOSUCH'/);
  });

  checked('buffers come back as they went', async (redis) => {
    const bytes = redis.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    const value = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const name = Buffer.from([0, 13, 10, 255]);
    await redis.set(name, value);
    assert.deepEqual(await bytes.get(name), value);
    assert.deepEqual(await bytes.keys('*'), [name]);
    await redis.rPush('l', [value, Buffer.alloc(300000, 7)]);
    assert.deepEqual((await bytes.lRange('l', 0, -1))[1], Buffer.alloc(300000, 7));
  });

  checked('hashes, lists and sets hold what was put into them', async (redis) => {
    assert.equal(await redis.hSet('h', { a: '1', b: '2' }), 2);
    assert.deepEqual(plain(await redis.hGetAll('h')), { a: '1', b: '2' });
    assert.deepEqual(await redis.hmGet('h', ['a', 'z']), ['1', null]);
    assert.equal((await redis.hRandFieldCountWithValues('h', 5)).length, 2);
    assert.equal(await redis.rPush('l', ['a', 'b', 'c', 'b']), 4);
    assert.deepEqual(await redis.lRange('l', 0, -1), ['a', 'b', 'c', 'b']);
    assert.deepEqual(await redis.lPosCount('l', 'b', 0), [1, 3]);
    assert.deepEqual(await redis.lPopCount('l', 2), ['a', 'b']);
    assert.deepEqual(await redis.lmPop(['absent', 'l'], 'RIGHT', { COUNT: 5 }), ['l', ['b', 'c']]);
    assert.equal(await redis.lPop('l'), null);
    assert.equal(await redis.sAdd('s', ['1', '2', '3']), 3);
    assert.equal(await redis.sAdd('t', ['2', '3', '4']), 3);
    assert.deepEqual([...await redis.sMembers('s')].sort(), ['1', '2', '3']);
    assert.deepEqual([...await redis.sInter(['s', 't'])].sort(), ['2', '3']);
    assert.deepEqual((await redis.smIsMember('s', ['1', '9'])).map(Number), [1, 0]);
    assert.equal(await redis.sUnionStore('u', ['s', 't']), 4);
    assert.equal(await redis.sInterCard(['s', 't'], { LIMIT: 1 }), 1);
    await assert.rejects(redis.lPush('s', 'x'), /WRONGTYPE/);
  });

  checked('sorted sets have numbers as scores', async (redis) => {
    assert.equal(await redis.zAdd('z', [{ score: 1.5, value: 'a' }, { score: 2, value: 'b' },
      { score: Infinity, value: 'c' }]), 3);
    assert.equal(await redis.zScore('z', 'a'), 1.5);
    assert.equal(await redis.zIncrBy('z', 0.25, 'a'), 1.75);
    assert.deepEqual(await redis.zmScore('z', ['b', 'x']), [2, null]);
    assert.deepEqual((await redis.zRangeWithScores('z', 0, -1)).map(plain), [
      { value: 'a', score: 1.75 }, { value: 'b', score: 2 }, { value: 'c', score: Infinity }]);
    assert.deepEqual(await redis.zRange('z', '(1.75', '+inf', { BY: 'SCORE',
      LIMIT: { offset: 0, count: 1 } }), ['b']);
    assert.equal(await redis.zRank('z', 'b'), 1);
    assert.deepEqual(plain(await redis.zPopMin('z')), { value: 'a', score: 1.75 });
    assert.equal(await redis.zAdd('z', { score: 1, value: 'b' }, { comparison: 'GT' }), 0);
    assert.equal(await redis.zAddIncr('z', { score: 5, value: 'b' }), 7);
    assert.equal(await redis.zRandMember('nothing'), null);
    assert.deepEqual((await redis.zUnionWithScores(['z', 'z'])).map(plain), [
      { value: 'b', score: 14 }, { value: 'c', score: Infinity }]);
    assert.equal(await redis.zDiffStore('d', ['z', 'nothing']), 2);
  });

  checked('geo positions, bits and HyperLogLogs are understood', async (redis) => {
    await redis.geoAdd('g', [
      { longitude: 13.361389, latitude: 38.115556, member: 'Palermo' },
      { longitude: 15.087269, latitude: 37.502669, member: 'Catania' }]);
    assert.equal(await redis.geoDist('g', 'Palermo', 'Catania', 'km'), 166.2742);
    assert.deepEqual(await redis.geoHash('g', 'Palermo'), ['sqc8b49rny0']);
    const [place, nothing] = await redis.geoPos('g', ['Palermo', 'Rome']);
    assert.ok(Math.abs(Number(place.longitude) - 13.361389) < 1e-5 && nothing === null);
    const found = await redis.geoSearchWith('g', { longitude: 15, latitude: 37 },
      { radius: 200, unit: 'km' }, ['WITHDIST', 'WITHCOORD'], { SORT: 'ASC' });
    assert.deepEqual(found.map(({ member, distance }) => [member, Number(distance)]),
      [['Catania', 56.4413], ['Palermo', 190.4424]]);
    assert.deepEqual(await redis.bitField('bits', [
      { operation: 'SET', encoding: 'u8', offset: 0, value: 255 },
      { operation: 'INCRBY', encoding: 'u8', offset: 0, increment: 1 },
      { operation: 'OVERFLOW', behavior: 'FAIL' },
      { operation: 'INCRBY', encoding: 'u2', offset: 100, increment: 5 }]), [0, 0, null]);
    await redis.setBit('bits', 7, 1);
    assert.equal(await redis.bitCount('bits'), 1);
    assert.equal(await redis.bitPos('bits', 1), 7);
    await redis.pfAdd('hll', numbered('visitor:', 1000));
    const estimate = await redis.pfCount('hll');
    assert.ok(estimate > 950 && estimate < 1050, String(estimate));
  });

  checked('thousands of parallel commands are pipelined and answered in order', async (redis) => {
    const keys = numbered('k', 3000);
    await Promise.all(keys.map((key, i) => redis.set(key, String(i))));
    assert.deepEqual(await Promise.all(keys.map((key) => redis.get(key))),
      keys.map((_, i) => String(i)));
    assert.deepEqual(await Promise.all(keys.map(() => redis.incr('total'))),
      keys.map((_, i) => i + 1));
    const replies = await redis.multi().set('a', '1').get('a').execAsPipeline();
    assert.deepEqual(replies, ['OK', '1']);
  });

  checked('MULTI is atomic and WATCH notices others', async (redis) => {
    const replies = await redis.multi().incr('n').hSet('h', 'f', 'v').hGetAll('h')
      .zAdd('z', { score: 1, value: 'm' }).zScore('z', 'm').exec();
    assert.deepEqual([replies[0], replies[1], plain(replies[2]), replies[3], replies[4]],
      [1, 1, { f: 'v' }, 1, 1]);
    await redis.watch('n');
    const other = await client({ RESP });
    await other.set('n', 'changed');
    await assert.rejects(redis.multi().set('n', 'lost').exec(), WatchError);
    assert.equal(await redis.get('n'), 'changed');
  });

  checked('blocking pops on a duplicate wait for what is pushed', async (redis) => {
    const waiting = redis.duplicate();
    waiting.on('error', () => {});
    open.add(waiting);
    await waiting.connect();
    const list = waiting.blPop(['empty', 'queue'], 20);
    await until(async () => /cmd=blpop/.test(await redis.sendCommand(['CLIENT', 'LIST'])),
      'a client waits');
    assert.equal(await redis.rPush('queue', 'job'), 1);
    assert.deepEqual(plain(await list), { key: 'queue', element: 'job' });
    const sorted = waiting.bzPopMin('z', 20);
    await redis.zAdd('z', [{ score: 3, value: 'c' }, { score: 1, value: 'a' }]);
    assert.deepEqual(plain(await sorted), { key: 'z', value: 'a', score: 1 });
    const moved = waiting.blMove('from', 'to', 'LEFT', 'RIGHT', 20);
    await redis.rPush('from', 'x');
    assert.equal(await moved, 'x');
    const many = waiting.bzmPop(20, ['p', 'q'], 'MAX', { COUNT: 10 });
    await redis.zAdd('q', [{ score: 1, value: 'a' }, { score: 2, value: 'b' }]);
    assert.deepEqual((await many).members.map(plain),
      [{ value: 'b', score: 2 }, { value: 'a', score: 1 }]);
    assert.equal(await waiting.brPop('never', 0.05), null);
  });

  checked('channels, patterns and shards deliver messages', async (redis) => {
    const subscriber = await client({ RESP });
    const box = inbox();
    await subscriber.subscribe(['news', 'sport'], (text, channel) => box.put(channel, text));
    await subscriber.sSubscribe('shard', (text, channel) => box.put(channel, text));
    assert.equal(await redis.publish('news', 'hello'), 1);
    assert.deepEqual(await box.wait(), ['news', 'hello']);
    assert.equal(await redis.sPublish('shard', 'there'), 1);
    assert.deepEqual(await box.wait(), ['shard', 'there']);
    await subscriber.pSubscribe('w*', (text, channel) => box.put('w*', channel, text));
    assert.equal(await redis.publish('weather', 'rain'), 1);
    assert.deepEqual(await box.wait(), ['w*', 'weather', 'rain']);
    await subscriber.subscribe('raw', (bytes) => box.put(bytes), true);
    await redis.publish('raw', Buffer.from([0, 255, 13, 10]));
    assert.deepEqual(await box.wait(), [Buffer.from([0, 255, 13, 10])]);
    assert.deepEqual(plain(await redis.pubSubNumSub(['news'])), { news: 1 });
    assert.deepEqual(await redis.pubSubShardChannels(), ['shard']);
    assert.equal(await redis.pubSubNumPat(), 1);
    await subscriber.unsubscribe();
    await subscriber.pUnsubscribe();
    await subscriber.sUnsubscribe();
    assert.equal(await redis.publish('news', 'nobody'), 0);
    assert.equal(await subscriber.del('again'), 0); // a normal client again
  });

  checked('keyspace events arrive', async (redis) => {
    await redis.configSet('notify-keyspace-events', 'KEA');
    const subscriber = await client({ RESP });
    const events = [];
    await subscriber.pSubscribe('__key*@0__:*', (event, channel) => {
      events.push(`${channel} ${event}`);
    });
    await redis.set('k', 'v', { expiration: { type: 'PX', value: 20 } });
    await redis.sAdd('s', 'x');
    await redis.sPop('s');
    await until(() => events.includes('__keyevent@0__:expired k'), 'k expires');
    for (const seen of ['__keyspace@0__:k set', '__keyspace@0__:s sadd', '__keyspace@0__:s spop',
      '__keyspace@0__:s del']) assert.ok(events.includes(seen), seen);
    await redis.configSet('notify-keyspace-events', '');
  });

  checked('scan iterators find everything', async (redis) => {
    const keys = numbered('key:', 1500);
    await redis.mSet(Object.fromEntries(keys.map((key) => [key, 'v'])));
    await redis.hSet('big:hash', Object.fromEntries(keys.map((key) => [key, 'v'])));
    await redis.sAdd('big:set', keys);
    await redis.zAdd('big:zset', keys.map((value, score) => ({ score, value })));
    assert.equal(new Set(await collected(redis.scanIterator({ COUNT: 100 }))).size, 1503);
    assert.deepEqual((await collected(redis.scanIterator({ MATCH: 'key:149?' }))).sort(),
      keys.slice(1490));
    assert.deepEqual(await collected(redis.scanIterator({ TYPE: 'set' })), ['big:set']);
    assert.equal(new Set(await collected(redis.sScanIterator('big:set'))).size, 1500);
    const fields = await collected(redis.hScanIterator('big:hash', { MATCH: 'key:77*' }));
    assert.equal(new Set(fields.map(({ field }) => field)).size, 11);
    const members = await collected(redis.zScanIterator('big:zset', { COUNT: 50 }));
    const scores = new Map(members.map(({ value, score }) => [value, score]));
    assert.equal(scores.size, 1500);
    assert.equal(scores.get('key:1234'), 1234);
  });

  checked('a connection that was killed is replaced, its subscriptions too', async (redis) => {
    const other = await client({ RESP });
    const subscriber = await client({ RESP });
    const box = inbox();
    await subscriber.subscribe('news', (text) => box.put(text));
    const id = await redis.clientId();
    const ready = Promise.all([next(redis, 'ready'), next(subscriber, 'ready')]);
    assert.equal(await other.clientKill({ filter: 'ID', id }), 1);
    assert.ok(await other.clientKill({ filter: 'TYPE', type: 'pubsub' }) >= 1);
    await ready;
    assert.equal(await redis.set('k', 'v'), 'OK');
    assert.notEqual(await redis.clientId(), id);
    await until(async () => await other.publish('news', 'again') > 0, 'it subscribes again');
    assert.deepEqual(await box.wait(), ['again']);
  });

  checked('CLIENT PAUSE holds writers until CLIENT UNPAUSE', async (redis) => {
    const other = await client({ RESP });
    await redis.clientPause(20000, 'WRITE');
    let written = false;
    const write = other.set('k', 'v').then(() => { written = true; });
    await until(async () => /blocked_clients:1\r/.test(await redis.info('clients')), 'it waits');
    assert.equal(await redis.get('k'), null);
    assert.equal(written, false);
    await redis.clientUnpause();
    await within(10, write, 'the write');
    assert.equal(await redis.get('k'), 'v');
  });
}

checkWith('a pool of connections serves blocked and other callers at once', {}, async (redis) => {
  const pool = createClientPool({ socket: { host: '127.0.0.1', port } },
    { minimum: 2, maximum: 20 });
  pool.on('error', () => {});
  await pool.connect();
  const pops = Promise.all(numbered('q', 10).map((queue) => pool.blPop(queue, 20)));
  const totals = await Promise.all(numbered('', 500).map(() => pool.incr('total')));
  assert.equal(Math.max(...totals), 500);
  for (const queue of numbered('q', 10)) await redis.rPush(queue, 'x');
  assert.equal((await pops).every(({ element }) => element === 'x'), true);
  pool.destroy();
});

checkWith('SORT follows patterns and COPY, RENAME and OBJECT answer', {}, async (redis) => {
  await redis.rPush('l', ['3', '1', '2']);
  await redis.mSet({ w1: '30', w2: '10', w3: '20', n1: 'one', n2: 'two', n3: 'three' });
  assert.deepEqual(await redis.sort('l', { BY: 'w*', GET: ['n*'], DIRECTION: 'DESC' }),
    ['one', 'three', 'two']);
  assert.equal(await redis.sortStore('l', 'sorted', { LIMIT: { offset: 0, count: 2 } }), 2);
  assert.deepEqual(await redis.lRange('sorted', 0, -1), ['1', '2']);
  assert.equal(Number(await redis.copy('l', 'm')), 1);
  await redis.rename('m', 'n');
  await redis.sAdd('ints', ['1', '2']);
  assert.equal(await redis.objectEncoding('ints'), 'intset');
  assert.ok(await redis.memoryUsage('n') > 0);
});

runChecks();
