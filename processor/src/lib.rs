//! Tally is compiled for x86-64-v2 (`.cargo/config.toml`). A processor without its instructions would end the process
//! with SIGILL before `main`, since RocksDB's initialisers have some. A program that links this crate says first what
//! is missing, and ends with status 1.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod check {
    use std::arch::x86_64::__cpuid;

    /// What x86-64-v2 has beyond x86-64: the feature's name, whether this build uses it, and where `cpuid` tells of it
    /// (the leaf, and the bit of ECX).
    const FEATURES: [(&str, bool, u32, u32); 7] = [
        ("SSE3", cfg!(target_feature = "sse3"), 1, 0),
        ("SSSE3", cfg!(target_feature = "ssse3"), 1, 9),
        ("CMPXCHG16B", cfg!(target_feature = "cmpxchg16b"), 1, 13),
        ("SSE4.1", cfg!(target_feature = "sse4.1"), 1, 19),
        ("SSE4.2", cfg!(target_feature = "sse4.2"), 1, 20),
        ("POPCNT", cfg!(target_feature = "popcnt"), 1, 23),
        ("LAHF", cfg!(target_feature = "lahfsahf"), 0x8000_0001, 0),
    ];

    /// The dynamic linker calls what is in this section before any initialiser.
    #[used]
    #[allow(unsafe_code, reason = "to run before RocksDB's initialisers")]
    #[unsafe(link_section = ".preinit_array")]
    static BEFORE_EVERYTHING: extern "C" fn() = end_where_unsupported;

    extern "C" fn end_where_unsupported() {
        let mut is_supported = true;
        for (name, is_used, leaf, bit) in FEATURES {
            if is_used && __cpuid(leaf).ecx & 1 << bit == 0 {
                if is_supported {
                    eprintln!(
                        "tally: this build is for x86-64-v2, which most processors since 2009 are. This one is not. \
                         Build Tally for it with RUSTFLAGS=-Ctarget-cpu=x86-64"
                    );
                }
                eprintln!("tally: the processor lacks {name}");
                is_supported = false;
            }
        }
        if !is_supported {
            std::process::exit(1);
        }
    }
}
