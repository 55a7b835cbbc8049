import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { CelFlattened, toJs, toText } from '../../../src/cel/index.ts';
import { evaluate, exchangeOf, failure } from './support.ts';

/** A value as JSON. */
const json = (source: string) => toJs(evaluate(source));

describe("agentgateway's functions", () => {
  it.each<[string, unknown]>([
    [`json('{"hi":1}').hi`, 1],
    [`json(b'[1, 2.5, "x", null, true]')`, [1, 2.5, 'x', null, true]],
    [`jsonField('{"hi":1}', "hi")`, 1],
    ['toJson({"a": [1, 2u, 1.5, b"x", null, duration("1.5s")]})', '{"a":[1,2,1.5,"eA==",null,"1.5s"]}'],
    ['to_json("a\\"b")', '"a\\"b"'],
    ['unvalidatedJwtPayload("eyJhbGciOiJub25lIn0.eyJkYXRhIjoifn5-In0.").data', '~~~'],
    ['[1,2].with(a, a + a)', [1, 2, 1, 2]],
    ['{"a": 1, "b": 2}.mapValues(v, v * 2)', { a: 2, b: 4 }],
    ['{"a": 1, "b": 2, "x_c": 3}.filterKeys(k, !k.startsWith("x_")).filterKeys(k, k != "b")', { a: 1 }],
    ['{"a":2,"k":"v"}.merge({"a":3})', { a: 3, k: 'v' }],
    [
      '"/path/1/id/499c81c2/bar".regexReplace("/path/([0-9]+?)/id/([0-9a-z]{8})/bar", "/path/{n}/id/{id}/bar")',
      '/path/{n}/id/{id}/bar',
    ],
    ['"blah id=1234 bar".regexReplace("id=(.+?) ", "[$1] ")', 'blah [1234] bar'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the notation of a group's name
    ['"a-b".regexReplace("(?P<x>a)-(?P<y>b)", "$y-${x}$$$9$none")', 'b-a$'],
    ['"aa".regexReplace("a", "b")', 'ba'],
    ['default({"a":1}["a"], 2)', 1],
    ['default({"a":1}["b"], 2)', 2],
    ['default(null, 2)', 2],
    ['default(request.headers["missing"], "none")', 'none'],
    ['default(jwt.sub, "anonymous")', 'anonymous'],
    ['default(llm.cost.total, 0.0)', 0],
    ['coalesce(fail("bad"), 1 / 0, null, "fallback")', 'fallback'],
    ['coalesce(null)', null],
    ['coalesce(null, fail("x"))', null],
    ['base64.encode("hello") + base64Encode(b"f")', 'aGVsbG8=Zg=='],
    ['string(base64.decode("aGVsbG8")) + string(base64Decode("Zg=="))', 'hellof'],
    ['url.encode("hello world/?x=1&y=2ü!")', 'hello%20world%2F%3Fx%3D1%26y%3D2%C3%BC%21'],
    ['url.encode("abc-._~")', 'abc-._~'],
    ['url.decode("a+b%20%C3%BC100%")', 'a+b ü100%'],
    [
      'form.decode("client_id=abc&scope=openid+profile&a=1&a=2&a=3")',
      { client_id: 'abc', scope: 'openid profile', a: ['1', '2', '3'] },
    ],
    ['form.encode({"scope": "openid profile", "a": ["1", "2"], "n": null})', 'a=1&a=2&scope=openid+profile'],
    ['sha1.encode("hello")', createHash('sha1').update('hello').digest('hex')],
    ['sha256.encode(b"hello")', createHash('sha256').update('hello').digest('hex')],
    ['md5.encode("hello")', '5d41402abc4b2a76b9719d911017c592'],
    ['[1, 2].contains(2) && {"a": 1}.contains("a") && b"abc".contains(b"bc") && "abc".contains("bc")', true],
    ['max(1, 2.5, 2u) == 2.5 && min([3, 1, 2]) == 1', true],
    ['math.bitAnd(3u, 2u) == 2u && math.bitAnd(0x4, b"\\x05") == 4 && math.bitAnd(0x4, b"\\x01\\x00\\x05") == 4', true],
    ['math.bitAnd(b"\\x00\\x01", b"\\x01") == b"\\x00\\x01" && math.bitXor(b"\\x05", b"\\x03") == b"\\x06"', true],
    ['math.bitShiftRight(-1024, 3) == 2305843009213693824 && math.bitShiftLeft(1u, 200) == 0u', true],
    ['"/a?x=1&y=2&x=3".query("x")', ['1', '3']],
    ['"/a?x=1".addQuery("x", "b c")', '/a?x=1&x=b+c'],
    ['"http://h/a?x=1&y=2&x=3".setQuery("x", "z")', 'http://h/a?y=2&x=z'],
    ['"/a".setQuery("x", "z")', '/a?x=z'],
    ['regex.replace("a1b22", "[0-9]+", "<\\\\0>")', 'a<1>b<22>'],
    ['regex.extract("id=42", "id=([0-9]+)").value() + regex.extract("x", "y").orValue("none")', '42none'],
    ['regex.extractAll("a1b22", "[0-9]+")', ['1', '22']],
    ['sets.contains([1, 2u], [2.0]) && sets.equivalent([1, 1], [1u]) && !sets.intersects([1], [2])', true],
    ['[3, 1, 2].sort() == [1, 2, 3] && ["bb", "a"].sortBy(s, s.size()) == ["a", "bb"]', true],
    [
      '[[1], [2, [3]]].flatten() == [1, 2, [3]] && [1, 1.0, "a"].distinct() == [1, "a"] && [1, 2, 3].slice(1, 3) == [2, 3]',
      true,
    ],
    ['[1, 2].first().value() + [1, 2].last().value() + [].first().orValue(10)', 13],
  ])('%s', (source, value) => {
    expect(json(source)).toEqual(value);
  });

  it.each<[string, string]>([
    ['jsonField(\'{"hi":1}\', "unknown")', 'no such key: unknown'],
    ['json("{")', 'not valid JSON'],
    ['unvalidatedJwtPayload("not-a-jwt")', 'not a JWT: it has three parts'],
    ['unvalidatedJwtPayload("a.b.c")', 'not base64'],
    ['url.decode("%FF")', 'url.decode() of what is not UTF-8'],
    ['form.encode({"bad": {}})', "form.encode(): the value of 'bad' is not a string"],
    ['coalesce(fail("bad"), 1 / 0)', 'division by zero'],
    ['default(1 / 0, 1)', 'division by zero'],
    ['fail("because")', 'fail() called: because'],
    ['{"a": 1}.filterKeys(k, 42)', 'no such overload: filterKeys(int)'],
    ['[1, 2].filterKeys(k, true)', 'no such overload: filterKeys(list)'],
    ['base64.decode("?")', 'not base64'],
    ['math.bitAnd(-1, b"\\x05")', 'math.bitAnd() takes no negative number with bytes'],
    ['math.bitAnd(1, 2u)', 'no such overload: math.bitAnd(int, uint)'],
    ['"/a?x=1".query("y")', 'no such key: y'],
    ['[{}, 1].sort()', 'no such overload: _<_(map, map)'],
  ])('%s fails: %s', (source, message) => {
    expect(failure(source).message).toBe(message);
  });

  it('gives another uuid and another number each time', () => {
    expect(evaluate('uuid()')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(evaluate('random() >= 0.0 && random() < 1.0 && [1, 2, 3].map(x, random()).distinct().size() > 1')).toBe(
      true,
    );
  });

  it('marks what logs shall take apart', () => {
    const flat = evaluate('flatten(request.headers)', {}, exchangeOf({ headers: ['a', '1'] }));
    expect(flat).toBeInstanceOf(CelFlattened);
    expect((flat as CelFlattened).recursive).toBe(false);
    expect(toJs(flat)).toEqual({ a: '1' });
    expect((evaluate('flattenRecursive([1])') as CelFlattened).recursive).toBe(true);
  });

  it('shows values as text', () => {
    const shown = (source: string) => toText(evaluate(source));
    expect(
      ['"a"', 'b"a"', '1', '1u', '1.5', 'true', 'null', '[1, "a"]', 'duration("90s")', '9223372036854775807'].map(
        shown,
      ),
    ).toEqual(['a', 'a', '1', '1', '1.5', 'true', '', '[1,"a"]', '90s', '9223372036854775807']);
  });
});

describe('IP addresses and networks', () => {
  it.each<[string, unknown]>([
    [
      '[string(ip("192.168.0.1")), string(ip("2001:DB8:0:0::0068")), string(ip("::ffff:1.2.3.4")), string(ip("1:0:0:2:0:0:0:3"))]',
      ['192.168.0.1', '2001:db8::68', '::ffff:102:304', '1:0:0:2::3'],
    ],
    [
      'ip("::1") == ip("0:0:0:0:0:0:0:1") && ip("::1") != ip("127.0.0.1") && type(ip("::")) == type(ip("1.2.3.4"))',
      true,
    ],
    ['ip("192.168.0.1").family() == 4 && ip("::1").family() == 6', true],
    [
      '[isIP("192.168.0.1"), isIP("192.168.0.1.0"), isIP("2001:db8:::68"), isIP("fe80::1%eth0"), isIP("01.2.3.4")]',
      [true, false, false, false, false],
    ],
    [
      '[isCIDR("10.0.0.0/8"), isCIDR("10.0.0.0"), isCIDR("10.0.0.0/33"), isCIDR("10.0.0.0/08"), isCIDR("::/128")]',
      [true, false, false, false, true],
    ],
    ['ip.isCanonical("2001:db8::68") && !ip.isCanonical("2001:DB8::68")', true],
    ['["0.0.0.0", "::", "127.0.0.1"].map(a, ip(a).isUnspecified())', [true, true, false]],
    [
      '["127.0.0.1", "127.9.9.9", "::1", "1.2.3.4", "2001:db8::abcd"].map(a, ip(a).isLoopback())',
      [true, true, true, false, false],
    ],
    [
      '["224.0.0.1", "224.0.1.1", "ff02::1", "fd00::1"].map(a, ip(a).isLinkLocalMulticast())',
      [true, false, true, false],
    ],
    [
      '["169.254.169.254", "192.168.0.1", "fe80::1", "fd80::1"].map(a, ip(a).isLinkLocalUnicast())',
      [true, false, true, false],
    ],
    [
      '["192.168.0.1", "255.255.255.255", "2001:db8::abcd", "ff00::1", "fc00::1", "127.0.0.1"].map(a, ip(a).isGlobalUnicast())',
      [true, false, true, false, false, false],
    ],
    ['cidr("127.0.0.1/8")', '127.0.0.1/8'],
    ['cidr("127.0.7.1/8").masked()', '127.0.0.0/8'],
    ['cidr("127.0.7.1/8").ip()', '127.0.7.1'],
    ['cidr("::1/128").prefixLength()', 128],
    ['cidr("10.0.0.0/8").containsIP("10.255.0.1") && !cidr("10.0.0.0/8").containsIP(ip("11.0.0.1"))', true],
    ['cidr("::/0").containsIP("10.0.0.1") || cidr("0.0.0.0/0").containsIP("::1")', false],
    ['["10.1.0.0/16", "10.0.0.0/7", "11.0.0.0/16"].map(c, cidr("10.0.0.0/8").containsCIDR(c))', [true, false, false]],
    ['cidr("10.0.0.0/8").containsIP(source.address)', false],
  ])('%s', (source, value) => {
    expect(json(source)).toEqual(value);
  });

  it('refuses what is no address', () => {
    expect(failure('ip("192.168.0.1.0")').message).toBe('not an IP address');
    expect(failure('cidr("10.0.0.0/8").containsIP("x")').message).toBe('not an IP address');
    expect(failure('isIP(cidr("192.168.0.0/24"))').message).toBe('no such overload: isIP(net.CIDR)');
  });
});

describe('header views', () => {
  const request = exchangeOf({
    headers: [
      'single',
      'z',
      'multi',
      'a,b',
      'multi',
      'c',
      'authorization',
      'Bearer token',
      'cookie',
      'session=abc; theme="light"',
      'cookie',
      'session=def',
    ],
  });
  const see = (source: string) => toJs(evaluate(source, {}, request));

  it.each<[string, unknown]>([
    ['request.headers.single', 'z'],
    ['request.headers["Single"]', 'z'],
    ['request.headers.multi', ['a,b', 'c']],
    ['request.headers.join().multi', 'a,b,c'],
    ['request.headers.raw()["single"]', ['z']],
    ['request.headers.split().multi', ['a', 'b', 'c']],
    ['request.headers.raw().join().multi + request.headers.join().split().multi[0]', 'a,b,ca'],
    ['request.headers.authorization', 'Bearer token'],
    ['request.headers.redacted().authorization', '<redacted>'],
    ['request.headers.redacted().raw()["authorization"]', ['<redacted>']],
    [
      'request.headers.redacted().split()',
      { single: ['z'], multi: ['a', 'b', 'c'], authorization: ['<redacted>'], cookie: ['<redacted>', '<redacted>'] },
    ],
    ['request.headers.filterKeys(k, k == "single")', { single: 'z' }],
    ['request.headers.map(name, name)', ['single', 'multi', 'authorization', 'cookie']],
    ['size(request.headers)', 4],
    ['"single" in request.headers && has(request.headers.single) && !has(request.headers.none)', true],
    ['request.headers.cookie("session")', 'abc'],
    ['request.headers.cookie("theme")', 'light'],
    ['request.headers.?none.orValue("-")', '-'],
    ['["a", "b"].join("-") + "a-b".split("-")[1]', 'a-bb'],
  ])('%s', (source, value) => {
    expect(see(source)).toEqual(value);
  });

  it('fails for what is not there', () => {
    expect(failure('request.headers.cookie("none")', {}, request)).toMatchObject({ code: 'no_such_key' });
    expect(failure('request.headers["none"]', {}, request)).toMatchObject({ code: 'no_such_key' });
    expect(failure('request.headers.join(",")', {}, request)).toMatchObject({ code: 'no_such_overload' });
  });

  it('hides the header a credential came in, whatever its name', () => {
    const exchange = exchangeOf({ headers: ['x-tenant-key', 'k'] });
    exchange.credentialHeader = 'x-tenant-key';
    expect(toJs(evaluate('request.headers.redacted()', {}, exchange))).toEqual({ 'x-tenant-key': '<redacted>' });
  });
});
