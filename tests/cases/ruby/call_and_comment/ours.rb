class Cart
  def total
    items.compact.sum(&:price)
  end
end
