//! Stands in for `libz-ng-sys`, which pingora asks for through flate2 and which cannot be built
//! without cmake. flate2 calls eight functions of it; here they are served by zlib-rs, a
//! memory-safe zlib. See `docs/adr/0003-zlib-without-cmake.md`.
//!
//! `unsafe` is inherent: this is the C interface of zlib, and flate2 is its only caller.
#![allow(non_camel_case_types, non_snake_case, clippy::missing_safety_doc)]

use core::ffi::{c_char, c_int, c_uint, c_ulong, c_void};
use libz_rs_sys as z;

pub type uInt = c_uint;
pub type uLong = c_ulong;
pub type Bytef = u8;
pub type voidpf = *mut c_void;
pub type alloc_func = unsafe extern "C" fn(voidpf, uInt, uInt) -> voidpf;
pub type free_func = unsafe extern "C" fn(voidpf, voidpf);

/// zlib's opaque state.
pub enum internal_state {}

/// zlib's stream, laid out as zlib-rs lays it out (asserted below).
#[repr(C)]
#[derive(Copy, Clone)]
pub struct z_stream {
    pub next_in: *mut Bytef,
    pub avail_in: uInt,
    pub total_in: uLong,
    pub next_out: *mut Bytef,
    pub avail_out: uInt,
    pub total_out: uLong,
    pub msg: *mut c_char,
    pub state: *mut internal_state,
    pub zalloc: alloc_func,
    pub zfree: free_func,
    pub opaque: voidpf,
    pub data_type: c_int,
    pub adler: uLong,
    pub reserved: uLong,
}
pub type z_streamp = *mut z_stream;

const _: () = {
    use core::mem::{align_of, offset_of, size_of};
    assert!(size_of::<z_stream>() == size_of::<z::z_stream>());
    assert!(align_of::<z_stream>() == align_of::<z::z_stream>());
    assert!(offset_of!(z_stream, zalloc) == offset_of!(z::z_stream, zalloc));
    assert!(offset_of!(z_stream, adler) == offset_of!(z::z_stream, adler));
    assert!(offset_of!(z_stream, total_out) == offset_of!(z::z_stream, total_out));
};

macro_rules! constants {
    ($($name:ident = $value:expr;)*) => { $(pub const $name: c_int = $value;)* };
}
constants! {
    Z_NO_FLUSH = 0; Z_PARTIAL_FLUSH = 1; Z_SYNC_FLUSH = 2; Z_FULL_FLUSH = 3; Z_FINISH = 4; Z_BLOCK = 5;
    Z_OK = 0; Z_STREAM_END = 1; Z_NEED_DICT = 2;
    Z_STREAM_ERROR = -2; Z_DATA_ERROR = -3; Z_MEM_ERROR = -4; Z_BUF_ERROR = -5;
    Z_DEFAULT_STRATEGY = 0; Z_DEFLATED = 8;
}

macro_rules! forward {
    ($($name:ident($($arg:ident: $ty:ty),*);)*) => { $(
        pub unsafe extern "C" fn $name(strm: z_streamp $(, $arg: $ty)*) -> c_int {
            // SAFETY: the two structs have one layout (asserted above); the rest is the caller's
            // promise to zlib.
            unsafe { z::$name(strm.cast::<z::z_stream>() $(, $arg)*) }
        }
    )* };
}
forward! {
    deflate(flush: c_int);
    deflateEnd();
    deflateReset();
    deflateParams(level: c_int, strategy: c_int);
    deflateSetDictionary(dictionary: *const Bytef, length: uInt);
    deflateInit2_(level: c_int, method: c_int, window_bits: c_int, mem_level: c_int, strategy: c_int, version: *const c_char, stream_size: c_int);
    inflate(flush: c_int);
    inflateEnd();
    inflateSetDictionary(dictionary: *const Bytef, length: uInt);
    inflateReset2(window_bits: c_int);
    inflateInit2_(window_bits: c_int, version: *const c_char, stream_size: c_int);
}

/// The version text that flate2 hands back to the init functions.
pub unsafe extern "C" fn zlibVersion() -> *const c_char {
    z::zlibVersion()
}
