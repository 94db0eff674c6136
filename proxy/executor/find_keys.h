/* Where the keys of a request are, and what it does with them, for commands where that depends on
 * the arguments. Written by the family that owns the command; called before every run of it, and by
 * COMMAND GETKEYS.
 *
 * See command_find_keys in command.h for the contract: key.db is preset to the session's database
 * and may be changed, key.mode and key.name must be set, key.hash stays 0.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXECUTOR_FIND_KEYS_H
#define EXECUTOR_FIND_KEYS_H

#include "executor/call.h"

command_find_keys find_keys_set;            /* OVERWRITE, or UPDATE with NX, XX, GET or KEEPTTL */
command_find_keys find_keys_rename;         /* from UPDATE, to OVERWRITE */
command_find_keys find_keys_renamenx;       /* from UPDATE, to UPDATE */
command_find_keys find_keys_copy;           /* from READ, to by REPLACE; DB n names its database */
command_find_keys find_keys_restore;        /* OVERWRITE, or UPDATE without REPLACE */
command_find_keys find_keys_move;           /* the same name in two databases */
command_find_keys find_keys_bitop;          /* destination REMOVE, sources READ */
command_find_keys find_keys_bitfield;       /* READ when it only GETs, else UPDATE */
command_find_keys find_keys_pfmerge;        /* destination UPDATE, sources READ */
command_find_keys find_keys_geosearchstore; /* destination REMOVE, source READ */
command_find_keys find_keys_georadius;      /* source READ, STORE or STOREDIST REMOVE */
command_find_keys find_keys_georadiusbymember; /* the same */
command_find_keys find_keys_sort;          /* source READ, STORE REMOVE; not what BY, GET name */
command_find_keys find_keys_zalgebra;      /* sources READ: ZUNION, ZINTER, ZDIFF, ZINTERCARD */
command_find_keys find_keys_zalgebrastore; /* destination REMOVE, sources READ */
command_find_keys find_keys_zrangestore;   /* destination REMOVE, source READ */
command_find_keys find_keys_zmpop;         /* UPDATE: ZMPOP */
command_find_keys find_keys_bzmpop;        /* UPDATE: BZMPOP, whose timeout comes first */
command_find_keys find_keys_setstore;      /* destination REMOVE, sources READ: SINTERSTORE ... */
command_find_keys find_keys_sintercard;    /* READ */
command_find_keys find_keys_lmpop;         /* UPDATE: LMPOP */
command_find_keys find_keys_blmpop;        /* UPDATE: BLMPOP, whose timeout comes first */
command_find_keys find_keys_debug;         /* DEBUG OBJECT key */

command_late_keys late_keys_sort; /* BY or GET has a star */
command_prepare prepare_sort;

#endif
