std::vector<std::size_t> lengths(const std::vector<std::string>& words);

int widest(std::vector<int> sizes);
