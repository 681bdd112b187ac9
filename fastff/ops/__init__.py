"""What a network is made of: activations, losses and the linear map, fused onto the products below."""
