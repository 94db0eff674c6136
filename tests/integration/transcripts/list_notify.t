#| Keyspace notifications of lists: which events, and in which order.

# Every change of a list is told
> CONFIG SET notify-keyspace-events Elg
E> PSUBSCRIBE __key*__:*
> RPUSH l a b c d e f g
E< ["pmessage", "__key*__:*", "__keyevent@0__:rpush", "l"]
> LPUSH l x y
E< ["pmessage", "__key*__:*", "__keyevent@0__:lpush", "l"]
> LPUSHX l z
E< ["pmessage", "__key*__:*", "__keyevent@0__:lpush", "l"]
> LPUSHX missing z
> LPOP missing
> LPOP l 2
E< ["pmessage", "__key*__:*", "__keyevent@0__:lpop", "l"]
> RPOP l
E< ["pmessage", "__key*__:*", "__keyevent@0__:rpop", "l"]
> LSET l 0 n
E< ["pmessage", "__key*__:*", "__keyevent@0__:lset", "l"]
> LINSERT l BEFORE n m
E< ["pmessage", "__key*__:*", "__keyevent@0__:linsert", "l"]
> LREM l 0 nosuch
> LREM l 0 n
E< ["pmessage", "__key*__:*", "__keyevent@0__:lrem", "l"]
> LTRIM l 0 -1
E< ["pmessage", "__key*__:*", "__keyevent@0__:ltrim", "l"]
> LTRIM l 0 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:ltrim", "l"]
> LRANGE l 0 -1
< ["m", "a"]
> CONFIG SET notify-keyspace-events ""

# The key is told to be gone with its last element
> CONFIG SET notify-keyspace-events Elg
E> PSUBSCRIBE __key*__:*
> RPUSH l a b
E< ["pmessage", "__key*__:*", "__keyevent@0__:rpush", "l"]
> RPOP l 5
E< ["pmessage", "__key*__:*", "__keyevent@0__:rpop", "l"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "l"]
> RPUSH l a a
E< ["pmessage", "__key*__:*", "__keyevent@0__:rpush", "l"]
> LREM l 0 a
E< ["pmessage", "__key*__:*", "__keyevent@0__:lrem", "l"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "l"]
> RPUSH l a a
E< ["pmessage", "__key*__:*", "__keyevent@0__:rpush", "l"]
> LTRIM l 5 9
E< ["pmessage", "__key*__:*", "__keyevent@0__:ltrim", "l"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "l"]
> CONFIG SET notify-keyspace-events ""

# Moving is a push and a pop
> CONFIG SET notify-keyspace-events Elg
E> PSUBSCRIBE __key*__:*
> RPUSH a 1 2
E< ["pmessage", "__key*__:*", "__keyevent@0__:rpush", "a"]
> LMOVE a b LEFT RIGHT
E< ["pmessage", "__key*__:*", "__keyevent@0__:rpush", "b"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:lpop", "a"]
> RPOPLPUSH b b
E< ["pmessage", "__key*__:*", "__keyevent@0__:lpush", "b"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:rpop", "b"]
> BLMOVE a b RIGHT LEFT 0
E< ["pmessage", "__key*__:*", "__keyevent@0__:lpush", "b"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:rpop", "a"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "a"]
> LMPOP 2 a b LEFT
E< ["pmessage", "__key*__:*", "__keyevent@0__:lpop", "b"]
> BRPOP a b 0
E< ["pmessage", "__key*__:*", "__keyevent@0__:rpop", "b"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "b"]
> CONFIG SET notify-keyspace-events ""
