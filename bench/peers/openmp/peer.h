/* peer.h: who runs these programs: they are built by the project's compiler, and by clang for its own run-time library. */
#ifndef BENCH_PEERS_OPENMP_PEER_H
#define BENCH_PEERS_OPENMP_PEER_H

#ifdef __clang__
#define PEER "openmp-clang"
#else
#define PEER "openmp"
#endif

#endif
