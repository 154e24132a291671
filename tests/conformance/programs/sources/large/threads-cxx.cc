// C++ with threads, exceptions, containers and streams; the output is in a fixed order.
#include <algorithm>
#include <iostream>
#include <map>
#include <mutex>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

static int depth(int n) {
  struct Guard {
    int &count;
    ~Guard() { count++; }
  };
  static int unwound = 0;
  Guard guard{unwound};
  if (n == 0) throw std::runtime_error("bottom");
  return depth(n - 1) + unwound;
}

int main() {
  std::mutex mutex;
  std::map<int, long> sums;
  std::vector<std::thread> threads;
  for (int id = 0; id < 4; id++) {
    threads.emplace_back([&, id] {
      std::vector<long> values(1000);
      std::iota(values.begin(), values.end(), id);
      long sum = std::accumulate(values.begin(), values.end(), 0L);
      std::lock_guard<std::mutex> lock(mutex);
      sums[id] = sum;
    });
  }
  for (auto &thread : threads) thread.join();
  for (const auto &[id, sum] : sums) std::cout << "thread " << id << " sum " << sum << "\n";
  try {
    depth(20);
  } catch (const std::exception &error) {
    std::cout << "caught " << error.what() << "\n";
  }
  std::ostringstream text;
  text << std::hex << 48879 << " " << 3.25 << " " << std::boolalpha << true;
  std::cout << text.str() << std::endl;
}
