#| Keyspace notifications of sets: which events, and in which order.

# Every change of a set is told, and nothing else
> CONFIG SET notify-keyspace-events Esg
E> PSUBSCRIBE __key*__:*
> SADD s a b c 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:sadd", "s"]
> SADD s a
> SREM s nosuch
> SREM s a
E< ["pmessage", "__key*__:*", "__keyevent@0__:srem", "s"]
> SREM s b c 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:srem", "s"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "s"]
> SADD s a b
E< ["pmessage", "__key*__:*", "__keyevent@0__:sadd", "s"]
> SMOVE s s a
> SMOVE s t nosuch
> SMOVE s t a
E< ["pmessage", "__key*__:*", "__keyevent@0__:srem", "s"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:sadd", "t"]
> SMOVE s t b
E< ["pmessage", "__key*__:*", "__keyevent@0__:srem", "s"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "s"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:sadd", "t"]
> SADD u a x
E< ["pmessage", "__key*__:*", "__keyevent@0__:sadd", "u"]
> SMOVE t u a
E< ["pmessage", "__key*__:*", "__keyevent@0__:srem", "t"]
> DEL t u
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "t"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "u"]

# Popping is told, and so is the end
> CONFIG SET notify-keyspace-events Esg
E> PSUBSCRIBE __key*__:*
> SADD s 1 2 3 4 5
E< ["pmessage", "__key*__:*", "__keyevent@0__:sadd", "s"]
> SRANDMEMBER s
> SPOP missing
> SPOP s 0
> SPOP s
E< ["pmessage", "__key*__:*", "__keyevent@0__:spop", "s"]
> SPOP s 2
E< ["pmessage", "__key*__:*", "__keyevent@0__:spop", "s"]
> SPOP s 2
E< ["pmessage", "__key*__:*", "__keyevent@0__:spop", "s"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "s"]
> SADD s 1
E< ["pmessage", "__key*__:*", "__keyevent@0__:sadd", "s"]
> SPOP s
E< ["pmessage", "__key*__:*", "__keyevent@0__:spop", "s"]
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "s"]

# Storing is told under the name of the command, an empty result as a removal
> CONFIG SET notify-keyspace-events Esg
E> PSUBSCRIBE __key*__:*
> SADD a 1 2
E< ["pmessage", "__key*__:*", "__keyevent@0__:sadd", "a"]
> SUNIONSTORE d a
E< ["pmessage", "__key*__:*", "__keyevent@0__:sunionstore", "d"]
> SINTERSTORE d a a
E< ["pmessage", "__key*__:*", "__keyevent@0__:sinterstore", "d"]
> SDIFFSTORE e a missing
E< ["pmessage", "__key*__:*", "__keyevent@0__:sdiffstore", "e"]
> SINTERSTORE d a missing
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "d"]
> SDIFFSTORE missing a a
> SDIFFSTORE e a a
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "e"]
> SDIFFSTORE e missing
> SET end v
> DEL end
E< ["pmessage", "__key*__:*", "__keyevent@0__:del", "end"]
