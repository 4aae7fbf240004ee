// The inner loop of factorised prediction: what it computes, and nothing about where it comes from.
//
//   scores[i][j] = base[j] + sum over k of weight[k] * max(helpers[i][k], negated[k][j])
//
// relu(h + t) = max(h, -t) + t, and the sum of weight * t belongs to the column alone (it is in
// base), so a hidden unit costs one max and one multiply-add a pair instead of three operations.
//
// Columns come in tiles, (tiles, hidden, tile_columns()), zero-padded. ROWS x VECTORS accumulators
// stay in registers: 16 of the 32 with AVX-512, enough to hide the latency of a multiply-add.
#include <algorithm>
#include <cstdint>
#include <cstring>

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 16, VECTORS = 4;
#elif defined(__AVX__)
constexpr int LANES = 8, VECTORS = 2;
#elif defined(__ARM_NEON)
constexpr int LANES = 4, VECTORS = 4;
#else
constexpr int LANES = 4, VECTORS = 2;
#endif
constexpr int ROWS = 4, COLUMNS = LANES * VECTORS;
// Sums of at most so many terms are added up at a time: shorter chains round less (half the
// error at 100 hidden units), for no time that could be measured.
constexpr int64_t CHAIN = 32;
// Rows of one turn and a tile share a first-level cache of 32 kB or more; a group of tiles stays
// in the second level while all rows of a call go over it.
constexpr int64_t HELPER_BYTES = 20 * 1024, GROUP_BYTES = 256 * 1024;

typedef float Vector __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

template <int rows>
inline void tile_rows(const float* helpers, const float* tile, const float* weight,
                      const float* base, float* scores, int64_t hidden, int64_t stride,
                      int64_t columns) {
    Vector total[rows][VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < VECTORS; v++) total[r][v] = ((const Vector*)base)[v];
    for (int64_t from = 0; from < hidden; from += CHAIN) {
        const int64_t to = from + CHAIN < hidden ? from + CHAIN : hidden;
        Vector sum[rows][VECTORS] = {};
        for (int64_t k = from; k < to; k++) {
            const Vector* negated = (const Vector*)(tile + k * COLUMNS);
            const Vector w = weight[k] - Vector{};
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                const Vector h = helpers[r * hidden + k] - Vector{};
#pragma GCC unroll 8
                for (int v = 0; v < VECTORS; v++)
                    sum[r][v] += w * (h > negated[v] ? h : negated[v]);
            }
        }
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
            for (int v = 0; v < VECTORS; v++) total[r][v] += sum[r][v];
    }
    if (columns == COLUMNS) {  // whole vectors: a copy of unknown length is a slow loop
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
            for (int v = 0; v < VECTORS; v++) ((Vector*)(scores + r * stride))[v] = total[r][v];
    } else {
        float last[rows][COLUMNS];
        for (int r = 0; r < rows; r++) {
            for (int v = 0; v < VECTORS; v++)
                std::memcpy(last[r] + v * LANES, &total[r][v], sizeof(Vector));
            std::memcpy(scores + r * stride, last[r], columns * sizeof(float));
        }
    }
}

}  // namespace

extern "C" int tile_columns() { return COLUMNS; }

// helpers (rows, hidden), tiles (ceil(columns / COLUMNS), hidden, COLUMNS), weight (hidden),
// base (padded columns), scores (rows, columns), all float32 and contiguous.
extern "C" void pair_scores(const float* helpers, const float* tiles, const float* weight,
                            const float* base, float* scores, int64_t rows, int64_t columns,
                            int64_t hidden) {
    const int64_t tile_bytes = hidden * COLUMNS * sizeof(float);
    const int64_t group = COLUMNS * std::max<int64_t>(1, GROUP_BYTES / tile_bytes);
    const int64_t row_bytes = hidden * sizeof(float);
    const int64_t part = ROWS * std::max<int64_t>(1, HELPER_BYTES / (ROWS * row_bytes));
    for (int64_t left = 0; left < columns; left += group) {
        const int64_t right = std::min(columns, left + group);
        for (int64_t top = 0; top < rows; top += part) {
            const int64_t bottom = std::min(rows, top + part);
            for (int64_t start = left; start < right; start += COLUMNS) {
                const float* tile = tiles + start * hidden;
                const int64_t width = std::min<int64_t>(COLUMNS, columns - start);
                int64_t i = top;
                for (; i + ROWS <= bottom; i += ROWS)
                    tile_rows<ROWS>(helpers + i * hidden, tile, weight, base + start,
                                    scores + i * columns + start, hidden, columns, width);
                for (; i < bottom; i++)
                    tile_rows<1>(helpers + i * hidden, tile, weight, base + start,
                                 scores + i * columns + start, hidden, columns, width);
            }
        }
    }
}
