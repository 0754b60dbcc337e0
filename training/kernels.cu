// Pictures of packed objects and what the network must say about them, by counting pixels.
//
// One source for two machines: nvcc makes the GPU's library of it, any C++ compiler (-x c++) the processor's, where
// every kernel is a plain loop. All pointers are to memory of the machine that runs it; see kernels.py.
#include <cmath>
#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#include <cuda_runtime.h>
#define HD __device__ __forceinline__
#define LANES 32
template <class Work> __global__ void spread(Work work, long long count) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i < count) work(i);
}
template <class Work> int launch(Work work, long long count, void *stream) {
    if (count > 0) spread<<<(unsigned)((count + 127) / 128), 128, 0, (cudaStream_t)stream>>>(work, count);
    return (int)cudaGetLastError();
}
HD void keep_least(unsigned long long *cell, unsigned long long key) { atomicMin(cell, key); }
HD unsigned bits_of(float x) { return __float_as_uint(x); }
HD float float_of(unsigned x) { return __uint_as_float(x); }
#else
#define HD inline
#define LANES 1
template <class Work> int launch(Work work, long long count, void *) {
    for (long long i = 0; i < count; ++i) work(i);
    return 0;
}
inline void keep_least(unsigned long long *cell, unsigned long long key) { if (key < *cell) *cell = key; }
inline unsigned bits_of(float x) { unsigned y; std::memcpy(&y, &x, 4); return y; }
inline float float_of(unsigned x) { float y; std::memcpy(&y, &x, 4); return y; }
#endif

#define NOTHING 0xFFFFFFFFFFFFFFFFull

struct V3 { float x, y, z; };
HD V3 at3(const float *p, long long i) { return {p[3 * i], p[3 * i + 1], p[3 * i + 2]}; }
HD V3 mix(V3 a, V3 b, V3 c, float u, float v, float w) {
    return {a.x * u + b.x * v + c.x * w, a.y * u + b.y * v + c.y * w, a.z * u + b.z * v + c.z * w};
}
HD float dot(V3 a, V3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
HD V3 unit(V3 a) {
    float l = 1.0f / (sqrtf(dot(a, a)) + 1e-9f);
    return {a.x * l, a.y * l, a.z * l};
}
HD float inside(float x, float low, float high) { return fminf(fmaxf(x, low), high); }

// Everything known of a batch. Faces hold numbers of the batch's own vertices; "sample" says whose a face is.
struct Batch {
    const float *place;      // (V, 3) world
    const float *screen;     // (V, 3) x and y in [0, 1] of the window, depth
    const float *normal;     // (V, 3) not of unit length
    const float *uv;         // (V, 2)
    const uint8_t *colour;   // (V, 3)
    const int *faces;        // (F, 3)
    const int *sample;       // (F,)
    const long long *texture;  // (B, 3) offset into texels or -1, height, width
    const uint8_t *texels;
    const float *light;      // (B, 16) ambient, head, lamp 1 (3), lamp 2 (3), gloss, tint (3), unused
    const float *camera;     // (B, 16) eye (3), right (3), down (3), forward (3), slope, centre, width, unused
};

HD V3 albedo(const Batch &b, int s, const int *corner, float u, float v, float w) {
    V3 c = {0, 0, 0};
    float weights[3] = {u, v, w};
    for (int k = 0; k < 3; ++k)
        for (int j = 0; j < 3; ++j) (&c.x)[j] += weights[k] * b.colour[3ll * corner[k] + j] * (1 / 255.0f);
    const long long *t = b.texture + 3 * s;
    if (t[0] < 0) return c;
    int height = (int)t[1], width = (int)t[2];
    float x = 0, y = 0;
    for (int k = 0; k < 3; ++k) {
        x += weights[k] * b.uv[2ll * corner[k]];
        y += weights[k] * b.uv[2ll * corner[k] + 1];
    }
    x = (x - floorf(x)) * width - 0.5f;
    y = 1 - y;
    y = (y - floorf(y)) * height - 0.5f;
    int x0 = (int)floorf(x), y0 = (int)floorf(y);
    float fx = x - x0, fy = y - y0;
    V3 found = {0, 0, 0};
    for (int k = 0; k < 4; ++k) {
        int column = (x0 + (k & 1) + width) % width, row = (y0 + (k >> 1) + height) % height;
        float weight = ((k & 1) ? fx : 1 - fx) * ((k >> 1) ? fy : 1 - fy) * (1 / 255.0f);
        const uint8_t *texel = b.texels + t[0] + 3ll * (row * width + column);
        for (int j = 0; j < 3; ++j) (&found.x)[j] += weight * texel[j];
    }
    return {c.x * found.x, c.y * found.y, c.z * found.z};
}

// Lambert with a headlight, two lamps fixed in the world and a little gloss; view: unit, from the camera, or null.
HD V3 shade(const Batch &b, int s, V3 base, V3 normal, const V3 *view) {
    const float *l = b.light + 16 * s;
    V3 lamp[2] = {{l[2], l[3], l[4]}, {l[5], l[6], l[7]}};
    float facing = view ? fabsf(dot(normal, *view)) : 0.75f;
    float bright = l[0] + l[1] * facing + fmaxf(dot(normal, lamp[0]), 0) + fmaxf(dot(normal, lamp[1]), 0);
    float gloss = 0;
    if (view && l[8] > 0 && dot(lamp[0], lamp[0]) > 0) {
        V3 half = unit(lamp[0]);
        half = unit({half.x - view->x, half.y - view->y, half.z - view->z});
        gloss = l[8] * powf(fmaxf(dot(half, normal), 0), 40);
    }
    V3 c = {base.x * bright * l[9] + gloss, base.y * bright * l[10] + gloss, base.z * bright * l[11] + gloss};
    return {inside(c.x, 0, 1), inside(c.y, 0, 1), inside(c.z, 0, 1)};
}

struct Edges { float u, v, w; bool hit; };
HD Edges edges(V3 a, V3 b, V3 c, float x, float y) {
    float area = (b.x - a.x) * (c.y - a.y) - (c.x - a.x) * (b.y - a.y);
    if (fabsf(area) < 1e-12f) return {0, 0, 0, false};
    float u = ((b.x - x) * (c.y - y) - (c.x - x) * (b.y - y)) / area;
    float v = ((c.x - x) * (a.y - y) - (a.x - x) * (c.y - y)) / area;
    float w = 1 - u - v;
    return {u, v, w, u >= -1e-6f && v >= -1e-6f && w >= -1e-6f};
}
HD float depth_of(V3 a, V3 b, V3 c, Edges e) { return 1 / (e.u / a.z + e.v / b.z + e.w / c.z); }

// The nearest face behind each pixel: depth in the high half of a cell, number of the face in the low one.
struct Rasterise {
    Batch b;
    unsigned long long *cells;  // (B, side, side), NOTHING before
    int side;
    HD void operator()(long long i) const {
        int lane = (int)(i % LANES);
        long long f = i / LANES;
        const int *corner = b.faces + 3 * f;
        V3 p[3];
        for (int k = 0; k < 3; ++k) {
            p[k] = at3(b.screen, corner[k]);
            p[k].x *= side;
            p[k].y *= side;
        }
        int left = (int)floorf(fminf(p[0].x, fminf(p[1].x, p[2].x)) - 0.5f);
        int right = (int)ceilf(fmaxf(p[0].x, fmaxf(p[1].x, p[2].x)) - 0.5f);
        int top = (int)floorf(fminf(p[0].y, fminf(p[1].y, p[2].y)) - 0.5f);
        int bottom = (int)ceilf(fmaxf(p[0].y, fmaxf(p[1].y, p[2].y)) - 0.5f);
        left = left < 0 ? 0 : left, top = top < 0 ? 0 : top;
        right = right > side - 1 ? side - 1 : right, bottom = bottom > side - 1 ? side - 1 : bottom;
        int across = right - left + 1, down = bottom - top + 1;
        if (across <= 0 || down <= 0 || !(p[0].z > 0.01f && p[1].z > 0.01f && p[2].z > 0.01f)) return;
        for (int k = lane; k < across * down; k += LANES) {
            int x = left + k % across, y = top + k / across;
            Edges e = edges(p[0], p[1], p[2], x + 0.5f, y + 0.5f);
            if (!e.hit) continue;
            unsigned long long key = ((unsigned long long)bits_of(depth_of(p[0], p[1], p[2], e)) << 32) | (unsigned)f;
            keep_least(cells + ((long long)b.sample[f] * side + y) * side + x, key);
        }
    }
};

// (B, 4, side / 2, side / 2) straight colour and alpha, four pixels of the raster each.
struct Picture {
    Batch b;
    const unsigned long long *cells;
    float *out;
    int side;
    HD void operator()(long long i) const {
        int half = side / 2, x = (int)(i % half), y = (int)(i / half % half);
        int s = (int)(i / half / half);
        const float *eye = b.camera + 16 * s;
        V3 sum = {0, 0, 0};
        int met = 0;
        for (int k = 0; k < 4; ++k) {
            int column = 2 * x + (k & 1), row = 2 * y + (k >> 1);
            unsigned long long key = cells[((long long)s * side + row) * side + column];
            if (key == NOTHING) continue;
            const int *corner = b.faces + 3ll * (unsigned)(key & 0xFFFFFFFFull);
            V3 p[3];
            for (int j = 0; j < 3; ++j) {
                p[j] = at3(b.screen, corner[j]);
                p[j].x *= side;
                p[j].y *= side;
            }
            Edges e = edges(p[0], p[1], p[2], column + 0.5f, row + 0.5f);
            float z = depth_of(p[0], p[1], p[2], e);
            float u = e.u * z / p[0].z, v = e.v * z / p[1].z, w = e.w * z / p[2].z;
            V3 place = mix(at3(b.place, corner[0]), at3(b.place, corner[1]), at3(b.place, corner[2]), u, v, w);
            V3 view = unit({place.x - eye[0], place.y - eye[1], place.z - eye[2]});
            V3 normal = unit(mix(unit(at3(b.normal, corner[0])), unit(at3(b.normal, corner[1])),
                                 unit(at3(b.normal, corner[2])), u, v, w));
            if (dot(normal, view) > 0) normal = {-normal.x, -normal.y, -normal.z};
            V3 c = shade(b, s, albedo(b, s, corner, u, v, w), normal, &view);
            sum.x += c.x, sum.y += c.y, sum.z += c.z;
            ++met;
        }
        long long plane = (long long)half * half, first = (long long)s * 4 * plane + (long long)y * half + x;
        float share = met ? 1.0f / met : 0;
        out[first] = sum.x * share, out[first + plane] = sum.y * share, out[first + 2 * plane] = sum.z * share;
        out[first + 3 * plane] = met * 0.25f;
    }
};

// World to the packed object's own coordinates: what deformed it, undone.
struct Shapes {
    const float *undo;         // (B, 20) diagonal, centre (3), taper, bend x, bend z, unused, inverse of the stretch (9)
    const uint8_t *hulls;
    const long long *hull;     // (B, 4) offset, X, Y, Z
    const float *frame;        // (B, 4) origin (3), voxel
};
HD float filled_at(const Shapes &h, int s, V3 p) {
    const float *d = h.undo + 20 * s;
    V3 q = {p.x * d[0] + d[1], p.y * d[0] + d[2], p.z * d[0] + d[3]};
    float grown = 1 + d[4] * q.y;
    q.x = (q.x - d[5] * q.y * q.y) / grown;
    q.z = (q.z - d[6] * q.y * q.y) / grown;
    V3 r = {d[8] * q.x + d[9] * q.y + d[10] * q.z, d[11] * q.x + d[12] * q.y + d[13] * q.z,
            d[14] * q.x + d[15] * q.y + d[16] * q.z};
    const float *frame = h.frame + 4 * s;
    const long long *box = h.hull + 4 * s;
    float x = (r.x - frame[0]) / frame[3] - 0.5f, y = (r.y - frame[1]) / frame[3] - 0.5f,
          z = (r.z - frame[2]) / frame[3] - 0.5f;
    if (x < -1 || y < -1 || z < -1 || x >= box[1] || y >= box[2] || z >= box[3]) return 0;
    int x0 = (int)floorf(x), y0 = (int)floorf(y), z0 = (int)floorf(z);
    float fx = x - x0, fy = y - y0, fz = z - z0, sum = 0;
    for (int k = 0; k < 8; ++k) {
        int i = x0 + (k >> 2), j = y0 + ((k >> 1) & 1), l = z0 + (k & 1);
        if (i < 0 || j < 0 || l < 0 || i >= box[1] || j >= box[2] || l >= box[3]) continue;
        float weight = ((k >> 2) ? fx : 1 - fx) * (((k >> 1) & 1) ? fy : 1 - fy) * ((k & 1) ? fz : 1 - fz);
        sum += weight * h.hulls[box[0] + (i * box[2] + j) * box[3] + l];
    }
    return sum;
}

// (B, grid, grid, bins) how full each cell of the frustum is, 255 for all of it; rays outside the matte stay empty.
struct Occupancy {
    Batch b;
    Shapes h;
    const float *picture;  // (B, 4, grid, grid)
    uint8_t *out;
    int grid, bins;
    float reach;
    HD void operator()(long long i) const {
        int x = (int)(i % grid), y = (int)(i / grid % grid), s = (int)(i / grid / grid);
        if (picture[(((long long)s * 4 + 3) * grid + y) * grid + x] < 0.02f) return;
        const float *c = b.camera + 16 * s;
        float slope = c[12], centre = c[13], width = c[14];
        float u = ((x + 0.5f) / grid * 2 - 1) * slope, v = ((y + 0.5f) / grid * 2 - 1) * slope;
        V3 ray = {c[3] * u + c[6] * v + c[9], c[4] * u + c[7] * v + c[10], c[5] * u + c[8] * v + c[11]};
        for (int k = 0; k < bins; ++k) {
            float sum = 0;
            for (int half = 0; half < 2; ++half) {
                float depth = centre + ((k + 0.25f + 0.5f * half) / bins * 2 - 1) * reach * width;
                sum += filled_at(h, s, {c[0] + ray.x * depth, c[1] + ray.y * depth, c[2] + ray.z * depth});
            }
            out[i * bins + k] = (uint8_t)(sum * 127.5f + 0.5f);
        }
    }
};

// A cell that holds surface thinner than itself counts as filled: sheets and rods would average away.
HD void touch(uint8_t *out, int grid, int bins, int s, float x, float y, float depth, const float *c, float reach) {
    int column = (int)floorf(x * grid), row = (int)floorf(y * grid);
    int bin = (int)floorf(((depth - c[13]) / (reach * c[14]) + 1) / 2 * bins);
    if (column < 0 || row < 0 || bin < 0 || column >= grid || row >= grid || bin >= bins) return;
    uint8_t *ray = out + (((long long)s * grid + row) * grid + column) * bins;
    for (int k = -1; k < 2; ++k)
        if (bin + k >= 0 && bin + k < bins && ray[bin + k] >= 153) return;
    ray[bin] = 255;
}

struct TouchSeen {
    Batch b;
    const unsigned long long *cells;
    uint8_t *out;
    int side, grid, bins;
    float reach;
    HD void operator()(long long i) const {
        if (cells[i] == NOTHING) return;
        int x = (int)(i % side), y = (int)(i / side % side), s = (int)(i / side / side);
        float depth = float_of((unsigned)(cells[i] >> 32));
        touch(out, grid, bins, s, (x + 0.5f) / side, (y + 0.5f) / side, depth, b.camera + 16 * s, reach);
    }
};

HD unsigned scramble(unsigned long long x) {
    x ^= x >> 33, x *= 0xff51afd7ed558ccdull, x ^= x >> 33, x *= 0xc4ceb9fe1a85ec53ull, x ^= x >> 33;
    return (unsigned)x;
}

// Random points of the surface: all touch their cells, the first "told" of a sample are told with their colour.
struct Points {
    Batch b;
    const unsigned long long *cells;
    const float *share;       // (F,) of its object's area up to and with a face, in the batch's order
    const long long *first;   // (B + 1,) first face of each sample
    uint8_t *out;
    float *at, *rgb, *hidden; // (B, told, 3), (B, told, 3), (B, told)
    int side, grid, bins, count, told;
    float reach;
    unsigned long long seed;
    HD void operator()(long long i) const {
        int s = (int)(i / count), number = (int)(i % count);
        unsigned long long draw = seed * 0x9E3779B97F4A7C15ull + 3 * i;
        float chance = scramble(draw) * 2.3283064e-10f;
        float r1 = sqrtf(scramble(draw + 1) * 2.3283064e-10f), r2 = scramble(draw + 2) * 2.3283064e-10f;
        long long low = first[s], high = first[s + 1] - 1;
        while (low < high) {
            long long middle = (low + high) / 2;
            if (share[middle] < chance) low = middle + 1; else high = middle;
        }
        const int *corner = b.faces + 3 * low;
        float u = 1 - r1, v = r1 * (1 - r2), w = r1 * r2;
        V3 place = mix(at3(b.place, corner[0]), at3(b.place, corner[1]), at3(b.place, corner[2]), u, v, w);
        const float *c = b.camera + 16 * s;
        V3 from = {place.x - c[0], place.y - c[1], place.z - c[2]};
        float depth = dot(from, {c[9], c[10], c[11]});
        float x = dot(from, {c[3], c[4], c[5]}) / (depth * c[12]), y = dot(from, {c[6], c[7], c[8]}) / (depth * c[12]);
        touch(out, grid, bins, s, (x + 1) / 2, (y + 1) / 2, depth, c, reach);
        if (number >= told) return;
        long long place_out = (long long)s * told + number;
        at[3 * place_out] = x, at[3 * place_out + 1] = y;
        at[3 * place_out + 2] = (depth - c[13]) / (reach * c[14]);
        int column = (int)floorf((x + 1) / 2 * side), row = (int)floorf((y + 1) / 2 * side);
        bool met = false;
        if (column >= 0 && row >= 0 && column < side && row < side) {
            unsigned long long key = cells[((long long)s * side + row) * side + column];
            met = key != NOTHING && float_of((unsigned)(key >> 32)) < depth * 0.985f;
        }
        hidden[place_out] = met ? 1 : 0;
        V3 view = unit(from);
        V3 normal = unit(mix(unit(at3(b.normal, corner[0])), unit(at3(b.normal, corner[1])),
                             unit(at3(b.normal, corner[2])), u, v, w));
        // A mesh's own normals look outward more often than not; the seen side must look at the camera.
        if (!met && dot(normal, view) > 0) normal = {-normal.x, -normal.y, -normal.z};
        V3 colour = shade(b, s, albedo(b, s, corner, u, v, w), normal, nullptr);
        rgb[3 * place_out] = colour.x, rgb[3 * place_out + 1] = colour.y, rgb[3 * place_out + 2] = colour.z;
    }
};

extern "C" {
int rasterise(void *stream, const Batch *b, long long faces, unsigned long long *cells, int side) {
    return launch(Rasterise{*b, cells, side}, faces * LANES, stream);
}
int picture(void *stream, const Batch *b, long long samples, const unsigned long long *cells, float *out, int side) {
    return launch(Picture{*b, cells, out, side}, samples * (side / 2) * (side / 2), stream);
}
int occupancy(void *stream, const Batch *b, const Shapes *h, long long samples, const float *shown,
              const unsigned long long *cells, int side, uint8_t *out, int grid, int bins, float reach) {
    int error = launch(Occupancy{*b, *h, shown, out, grid, bins, reach}, samples * grid * grid, stream);
    if (error) return error;
    return launch(TouchSeen{*b, cells, out, side, grid, bins, reach}, samples * side * side, stream);
}
int points(void *stream, const Batch *b, long long samples, const unsigned long long *cells, int side,
           const float *share, const long long *first, uint8_t *out, int grid, int bins, float reach, int count,
           int told, float *at, float *rgb, float *hidden, unsigned long long seed) {
    Points work{*b, cells, share, first, out, at, rgb, hidden, side, grid, bins, count, told, reach, seed};
    return launch(work, samples * count, stream);
}
}
