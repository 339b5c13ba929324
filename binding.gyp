{
  'targets': [
    {
      'target_name': 'faultline',
      'sources': [
        'native/addon.cc',
        'native/cacheline.cc',
        'native/constants.cc',
        'native/cpu.cc',
        'native/host_file.cc',
        'native/mapping.cc',
        'native/signal_guard.cc',
        'native/sys_error.cc',
        'native/uffd.cc',
        'native/uffd_read.cc',
        'native/uffd_resolve.cc',
      ],
      'include_dirs': ["<!(node -p \"require('node-addon-api').include_dir\")"],
      'defines': [
        '_GNU_SOURCE',
        'NAPI_VERSION=9',
        'NAPI_DISABLE_CPP_EXCEPTIONS',
        'NODE_ADDON_API_DISABLE_DEPRECATED',
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      'cflags!': ['-O3', '-Wno-unused-parameter'],
      'cflags': ['-O2', '-fvisibility=hidden'],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
      'cflags_cc': ['-std=c++20', '-Wall', '-Wextra', '-Wparentheses', '-Wtype-limits', '-Werror'],
      # The signal handlers outlive every environment, so the library must never be unloaded: a Worker that was the
      # only one to load it would otherwise leave the process with handlers in unmapped memory.
      'ldflags': ['-Wl,-z,nodelete'],
    },
    {
      # The yardstick of the fault benchmarks: the same kernel work without Node.
      'target_name': 'c_handler',
      'type': 'executable',
      'sources': ['native/bench/c_handler.cc'],
      'defines': ['_GNU_SOURCE'],
      'cflags!': ['-O3'],
      'cflags': ['-O2'],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
      'cflags_cc': ['-std=c++20', '-Wall', '-Wextra', '-Werror'],
      'libraries': ['-pthread'],
    },
  ],
}
