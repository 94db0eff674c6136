// SPDX-License-Identifier: BSD-3-Clause
/* ioredis as npm ships it, unmodified: with HELLO 3, which is its default, and in RESP2. */
'use strict';

const assert = require('node:assert/strict');
const { Redis } = require('ioredis');
const { check, runChecks, until, next, within, port, isWeir } = require('./checks');

const open = new Set();

/* A client that is closed at the end of its check; a lost connection shows as an error. */
function client(options = {}) {
  const redis = new Redis({ host: '127.0.0.1', port, commandTimeout: 20000, ...options });
  redis.on('error', () => {});
  open.add(redis);
  return redis;
}

async function fresh(options) {
  const redis = client(options);
  await redis.flushall();
  return redis;
}

/* Every check leaves no connection behind, whatever its outcome. */
function checkWith(name, options, body) {
  check(name, async () => {
    try {
      await body(await fresh(options));
    } finally {
      for (const redis of open) redis.disconnect();
      open.clear();
    }
  });
}

async function drained(stream) {
  const found = [];
  for await (const page of stream) found.push(...page);
  return found;
}

function pairs(flat) {
  const result = {};
  for (let i = 0; i < flat.length; i += 2) result[flat[i]] = flat[i + 1];
  return result;
}

const numbered = (prefix, count) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

for (const protocol of [3, 2]) {
  const RESP = `RESP${protocol}`;
  const checked = (name, body) => checkWith(`${RESP}: ${name}`, { protocol }, body);

  checked('the connection speaks the protocol that was asked for', async (redis) => {
    assert.equal(await redis.ping(), 'PONG');
    assert.equal(pairs(await redis.call('HELLO')).proto, protocol);
    if (isWeir) {
      assert.match(await redis.client('INFO'), new RegExp(` resp=${protocol} lib-name=ioredis`));
    }
    assert.equal(await redis.client('GETNAME'), null);
    const named = client({ protocol, connectionName: 'somebody', db: 3 });
    assert.equal(await named.client('GETNAME'), 'somebody');
    assert.match(await named.client('INFO'), / db=3 /);
  });

  checked('strings are set, read and counted', async (redis) => {
    assert.equal(await redis.set('k', 'v', 'EX', 100), 'OK');
    assert.equal(await redis.set('k', 'w', 'NX'), null);
    assert.equal(await redis.get('k'), 'v');
    assert.ok(await redis.ttl('k') > 95);
    assert.equal(await redis.get('absent'), null);
    assert.equal(await redis.incrby('n', 41), 41);
    assert.equal(await redis.incrbyfloat('f', 1.5), '1.5');
    await redis.mset({ a: '1', b: '2' });
    assert.deepEqual(await redis.mget('a', 'absent', 'b'), ['1', null, '2']);
    await assert.rejects(redis.incr('k'), /not an integer or out of range/);
    await assert.rejects(redis.call('NOSUCH', 'x'), /ERR unknown command 'NOSUCH'/);
  });

  checked('buffers come back as they went', async (redis) => {
    const value = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const name = Buffer.from([0, 13, 10, 255]);
    await redis.set(name, value);
    assert.deepEqual(await redis.getBuffer(name), value);
    assert.deepEqual(await redis.keysBuffer('*'), [name]);
    await redis.hset('h', name, value);
    assert.deepEqual(await redis.hgetBuffer('h', name), value);
    await redis.rpush('l', value, Buffer.alloc(300000, 7));
    assert.deepEqual((await redis.lrangeBuffer('l', 0, -1))[1], Buffer.alloc(300000, 7));
  });

  checked('hashes, lists and sets hold what was put into them', async (redis) => {
    await redis.hset('h', { a: 1, b: 2 });
    assert.deepEqual(await redis.hgetall('h'), { a: '1', b: '2' });
    assert.deepEqual(await redis.hmget('h', 'a', 'z'), ['1', null]);
    assert.deepEqual(pairs(await redis.hrandfield('h', 2, 'WITHVALUES')), { a: '1', b: '2' });
    assert.equal(await redis.rpush('l', 'a', 'b', 'c', 'b'), 4);
    assert.deepEqual(await redis.lrange('l', 0, -1), ['a', 'b', 'c', 'b']);
    assert.deepEqual(await redis.lpos('l', 'b', 'COUNT', 0), [1, 3]);
    assert.deepEqual(await redis.lpop('l', 2), ['a', 'b']);
    assert.deepEqual(await redis.lmpop(2, 'absent', 'l', 'RIGHT', 'COUNT', 5), ['l', ['b', 'c']]);
    assert.equal(await redis.exists('l'), 0);
    assert.equal(await redis.sadd('s', 1, 2, 3), 3);
    assert.equal(await redis.sadd('t', 2, 3, 4), 3);
    assert.deepEqual((await redis.smembers('s')).sort(), ['1', '2', '3']);
    assert.deepEqual((await redis.sinter('s', 't')).sort(), ['2', '3']);
    assert.deepEqual(await redis.smismember('s', 1, 9), [1, 0]);
    assert.equal(await redis.sinterstore('u', 's', 't'), 2);
    assert.ok(['2', '3'].includes(await redis.spop('u')));
    await assert.rejects(redis.lpush('s', 'x'), /^ReplyError: WRONGTYPE/);
  });

  checked('sorted sets answer scores', async (redis) => {
    assert.equal(await redis.zadd('z', 1.5, 'a', 2, 'b', '+inf', 'c'), 3);
    assert.equal(await redis.zscore('z', 'a'), '1.5');
    assert.equal(await redis.zincrby('z', 0.25, 'a'), '1.75');
    assert.deepEqual(await redis.zmscore('z', 'b', 'x'), ['2', null]);
    assert.deepEqual((await redis.zrange('z', 0, -1, 'WITHSCORES')).flat(),
      ['a', '1.75', 'b', '2', 'c', 'inf']);
    assert.deepEqual(await redis.zrangebyscore('z', '(1.75', '+inf', 'LIMIT', 0, 1), ['b']);
    assert.equal(await redis.zrank('z', 'b'), 1);
    assert.equal(await redis.zrevrank('z', 'x'), null);
    assert.deepEqual((await redis.zpopmin('z')).flat(), ['a', '1.75']);
    assert.equal(await redis.zunionstore('sum', 2, 'z', 'z', 'WEIGHTS', 2, 3), 2);
    assert.equal(await redis.zscore('sum', 'b'), '10');
    assert.equal(await redis.zcount('z', '-inf', '(inf'), 1);
  });

  checked('geo positions, bits and HyperLogLogs are understood', async (redis) => {
    await redis.geoadd('g', 13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania');
    assert.equal(await redis.geodist('g', 'Palermo', 'Catania', 'km'), '166.2742');
    assert.deepEqual(await redis.geohash('g', 'Palermo'), ['sqc8b49rny0']);
    const [place, nothing] = await redis.geopos('g', 'Palermo', 'Rome');
    assert.ok(Math.abs(Number(place[0]) - 13.361389) < 1e-5 && nothing === null);
    assert.deepEqual(await redis.geosearch('g', 'FROMLONLAT', 15, 37, 'BYRADIUS', 200, 'km', 'ASC',
      'WITHDIST'), [['Catania', '56.4413'], ['Palermo', '190.4424']]);
    assert.deepEqual(await redis.bitfield('bits', 'SET', 'u8', 0, 255, 'INCRBY', 'u8', 0, 1,
      'OVERFLOW', 'FAIL', 'INCRBY', 'u2', 100, 5), [0, 0, null]);
    await redis.setbit('bits', 7, 1);
    assert.equal(await redis.bitcount('bits'), 1);
    assert.equal(await redis.bitpos('bits', 1), 7);
    await redis.pfadd('hll', ...numbered('visitor:', 1000));
    const estimate = await redis.pfcount('hll');
    assert.ok(estimate > 950 && estimate < 1050, String(estimate));
    await redis.pfmerge('both', 'hll', 'absent');
    assert.equal(await redis.pfcount('both'), estimate);
  });

  checked('a pipeline answers in order, errors in their places', async (redis) => {
    const pipeline = redis.pipeline();
    for (let i = 0; i < 2000; i += 1) pipeline.set(`k${i}`, i).get(`k${i}`);
    const replies = await pipeline.lpush('k1', 'x').exec();
    assert.equal(replies.length, 4001);
    assert.deepEqual(replies[3999], [null, '1999']);
    assert.match(replies[4000][0].message, /^WRONGTYPE/);
  });

  checked('MULTI is atomic and WATCH notices others', async (redis) => {
    assert.deepEqual(await redis.multi().incr('n').hset('h', 'f', 'v').hgetall('h').exec(),
      [[null, 1], [null, 1], [null, { f: 'v' }]]);
    await redis.watch('n');
    const other = client({ protocol });
    await other.set('n', 'changed');
    assert.equal(await redis.multi().set('n', 'lost').exec(), null);
    assert.equal(await redis.get('n'), 'changed');
    await assert.rejects(redis.multi().set('x', 1).call('NOSUCH').exec(), /EXECABORT/);
    const replies = await redis.multi().set('s', 'v').lpush('s', 'x').set('t', 'v').exec();
    assert.match(replies[1][0].message, /^WRONGTYPE/);
    assert.equal(await redis.get('t'), 'v');
  });

  checked('blocking pops on a duplicate wait for what is pushed', async (redis) => {
    const waiting = redis.duplicate();
    open.add(waiting);
    const list = waiting.blpop('empty', 'queue', 20);
    await until(async () => /cmd=blpop/.test(await redis.client('LIST')), 'a client waits');
    assert.equal(await redis.rpush('queue', 'job'), 1);
    assert.deepEqual(await list, ['queue', 'job']);
    const sorted = waiting.bzpopmin('z', 20);
    await redis.zadd('z', 3, 'c', 1, 'a');
    assert.deepEqual(await sorted, ['z', 'a', '1']);
    const moved = waiting.blmove('from', 'to', 'LEFT', 'RIGHT', 20);
    await redis.rpush('from', 'x');
    assert.equal(await moved, 'x');
    assert.deepEqual(await redis.lrange('to', 0, -1), ['x']);
    const many = waiting.blmpop(20, 2, 'p', 'q', 'LEFT', 'COUNT', 10);
    await redis.rpush('q', 1, 2, 3);
    assert.deepEqual(await many, ['q', ['1', '2', '3']]);
    assert.equal(await waiting.brpop('never', 0.05), null);
  });

  checked('channels, patterns and shards deliver messages', async (redis) => {
    const subscriber = client({ protocol });
    assert.equal(await subscriber.subscribe('news', 'sport'), 2);
    assert.equal(await subscriber.psubscribe('n?ws', 'w*'), 4);
    assert.equal(await subscriber.ssubscribe('shard'), 1);
    const message = next(subscriber, 'message');
    const pattern = next(subscriber, 'pmessage');
    assert.equal(await redis.publish('news', 'hello'), 2);
    assert.deepEqual(await message, ['news', 'hello']);
    assert.deepEqual(await pattern, ['n?ws', 'news', 'hello']);
    const sharded = next(subscriber, 'smessage');
    assert.equal(await redis.spublish('shard', 'there'), 1);
    assert.deepEqual(await sharded, ['shard', 'there']);
    const raw = next(subscriber, 'messageBuffer');
    await redis.publish('sport', Buffer.from([0, 255, 13, 10]));
    assert.deepEqual((await raw)[1], Buffer.from([0, 255, 13, 10]));
    assert.deepEqual(await redis.pubsub('NUMSUB', 'news'), ['news', 1]);
    assert.deepEqual(await redis.pubsub('SHARDCHANNELS'), ['shard']);
    assert.equal(await redis.pubsub('NUMPAT'), 2);
    assert.equal(await subscriber.unsubscribe('news', 'sport'), 2);
    assert.equal(await subscriber.sunsubscribe('shard'), 0);
    assert.equal(await subscriber.punsubscribe(), 0);
    assert.equal(await redis.publish('news', 'nobody'), 0);
    assert.equal(await subscriber.set('again', 'a normal client'), 'OK');
  });

  checked('keyspace events arrive', async (redis) => {
    await redis.config('SET', 'notify-keyspace-events', 'KEA');
    const subscriber = client({ protocol });
    const events = [];
    subscriber.on('pmessage', (_, channel, event) => events.push(`${channel} ${event}`));
    await subscriber.psubscribe('__key*@0__:*');
    await redis.set('k', 'v', 'PX', 20);
    await redis.lpush('l', 'x');
    await redis.rpop('l');
    await redis.zadd('z', 1, 'm');
    await until(() => events.includes('__keyevent@0__:expired k'), 'k expires');
    for (const seen of ['__keyspace@0__:k set', '__keyspace@0__:k expire', '__keyspace@0__:l lpush',
      '__keyspace@0__:l del', '__keyevent@0__:zadd z']) assert.ok(events.includes(seen), seen);
    await redis.config('SET', 'notify-keyspace-events', '');
  });

  checked('scan streams find everything', async (redis) => {
    const keys = numbered('key:', 1500);
    await redis.mset(...keys.flatMap((key) => [key, 'v']));
    await redis.hset('big:hash', Object.fromEntries(keys.map((key) => [key, 'v'])));
    await redis.sadd('big:set', ...keys);
    await redis.zadd('big:zset', ...keys.flatMap((key, i) => [i, key]));
    const found = new Set(await drained(redis.scanStream({ count: 100 })));
    assert.equal(found.size, 1503);
    assert.deepEqual((await drained(redis.scanStream({ match: 'key:149?' }))).sort(),
      keys.slice(1490));
    assert.deepEqual(await drained(redis.scanStream({ type: 'zset' })), ['big:zset']);
    assert.equal(new Set(await drained(redis.sscanStream('big:set'))).size, 1500);
    const fields = (await drained(redis.hscanStream('big:hash', { match: 'key:77*' }))).flat();
    assert.equal(Object.keys(pairs(fields)).length, 11);
    const scores = pairs((await drained(redis.zscanStream('big:zset', { count: 50 }))).flat());
    assert.equal(Object.keys(scores).length, 1500);
    assert.equal(scores['key:1234'], '1234');
  });

  checked('a connection that was killed is replaced, its subscriptions too', async (redis) => {
    await redis.client('SETNAME', 'victim');
    const other = client({ protocol });
    const subscriber = client({ protocol });
    await subscriber.subscribe('news');
    const id = await redis.client('ID');
    const ready = Promise.all([next(redis, 'ready'), next(subscriber, 'ready')]);
    assert.equal(await other.client('KILL', 'ID', id), 1);
    assert.ok(await other.client('KILL', 'TYPE', 'pubsub') >= 1);
    await ready;
    assert.equal(await redis.set('k', 'v'), 'OK');
    assert.notEqual(await redis.client('ID'), id);
    await until(async () => await other.publish('news', 'probe') > 0, 'it subscribes again');
    const message = next(subscriber, 'message');
    await other.publish('news', 'after');
    await message;
  });

  checked('CLIENT PAUSE holds writers until CLIENT UNPAUSE', async (redis) => {
    const other = client({ protocol });
    await other.ping();
    await redis.client('PAUSE', 20000, 'WRITE');
    let written = false;
    const write = other.set('k', 'v').then(() => { written = true; });
    await until(async () => /blocked_clients:1\r/.test(await redis.info('clients')), 'it waits');
    assert.equal(await redis.get('k'), null);
    assert.equal(written, false);
    await redis.client('UNPAUSE');
    await within(10, write, 'the write');
    assert.equal(await redis.get('k'), 'v');
  });

  checked('automatic pipelining keeps thousands of parallel commands apart', async () => {
    const redis = client({ protocol, enableAutoPipelining: true });
    const keys = numbered('k', 3000);
    await Promise.all(keys.map((key, i) => redis.set(key, i)));
    const values = await Promise.all(keys.map((key) => redis.get(key)));
    assert.deepEqual(values, keys.map((_, i) => String(i)));
    const totals = await Promise.all(keys.map(() => redis.incr('total')));
    assert.deepEqual(totals, keys.map((_, i) => i + 1));
  });
}

checkWith('with RESP3 replies maps are objects and doubles are numbers',
  { replyMapping: 'resp3' }, async (redis) => {
    await redis.zadd('z', 1.5, 'a', 2, 'b', '-inf', 'c');
    assert.equal(await redis.zscore('z', 'a'), 1.5);
    assert.equal(await redis.zincrby('z', 0.5, 'a'), 2);
    assert.deepEqual(await redis.zrange('z', 0, -1, 'WITHSCORES'),
      [['c', -Infinity], ['a', 2], ['b', 2]]);
    assert.deepEqual(await redis.zpopmax('z', 2), [['b', 2], ['a', 2]]);
    assert.deepEqual(await redis.zmscore('z', 'c', 'x'), [-Infinity, null]);
    await redis.hset('h', { f: 'v' });
    assert.deepEqual({ ...await redis.hgetall('h') }, { f: 'v' });
    assert.deepEqual({ ...await redis.config('GET', 'port') }, { port: String(port) });
    assert.deepEqual(await redis.hrandfield('h', 1, 'WITHVALUES'), [['f', 'v']]);
  });

checkWith('MONITOR shows what others do', {}, async (redis) => {
  const monitor = await redis.monitor();
  open.add(monitor);
  const seen = next(monitor, 'monitor');
  await redis.set('k', 'with "quotes"');
  assert.deepEqual((await seen)[1], ['set', 'k', 'with "quotes"']);
});

checkWith('SORT follows patterns', {}, async (redis) => {
  await redis.rpush('l', 3, 1, 2);
  await redis.mset({ w1: 30, w2: 10, w3: 20, n1: 'one', n2: 'two', n3: 'three' });
  assert.deepEqual(await redis.sort('l', 'BY', 'w*', 'GET', 'n*', 'DESC'), ['one', 'three', 'two']);
  assert.equal(await redis.sort('l', 'LIMIT', 0, 2, 'STORE', 'sorted'), 2);
  assert.deepEqual(await redis.lrange('sorted', 0, -1), ['1', '2']);
});

runChecks();
