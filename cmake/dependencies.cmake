# SPDX-License-Identifier: Apache-2.0
# Libraries by pkg-config; a missing one is named with its Debian package.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

macro(tandem_require name module package)
  pkg_check_modules(${name} IMPORTED_TARGET ${module})
  if(NOT ${name}_FOUND)
    message(FATAL_ERROR "${module} not found: apt-get install ${package}")
  endif()
endmacro()

tandem_require(JANSSON "jansson>=2.13" libjansson-dev)
tandem_require(YAML "yaml-0.1>=0.2.2" libyaml-dev)
tandem_require(PCI "libpci>=3.7" libpci-dev)
tandem_require(NL_ROUTE "libnl-route-3.0>=3.5" libnl-route-3-dev)
tandem_require(URING "liburing>=2.0" liburing-dev)
tandem_require(SMARTCOLS "smartcols>=2.36" libsmartcols-dev)
if(TANDEM_TESTS)
  tandem_require(CMOCKA "cmocka>=1.1.5" libcmocka-dev)
endif()
