namespace KestrelEventLoopTransport;

/// <summary>
/// A load balancing policy of your own: chooses the loop that serves a connection. See
/// <see cref="EndpointOptions.CustomLoadBalancer"/>.
/// </summary>
/// <remarks>
/// It is called once for each connection, on the thread that accepts the connection or, after a wait, receives its
/// PROXY header. So it must not block. With <see cref="AcceptMode.ListenerPerLoop"/> or
/// <see cref="EndpointOptions.ProxyProtocol"/>, several threads may call it at the same time.
/// </remarks>
/// <param name="context">The connection and the loops.</param>
/// <returns>
/// The number of a loop, from 0 to <see cref="LoadBalancingContext.LoopCount"/> - 1. If the number is out of range, or
/// if the delegate throws an exception, the connection falls back to round robin. The first failure is logged as an
/// error.
/// </returns>
public delegate int LoadBalancer(in LoadBalancingContext context);
