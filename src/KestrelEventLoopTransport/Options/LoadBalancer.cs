namespace KestrelEventLoopTransport;

/// <summary>
/// A policy of one's own, for <see cref="EndpointOptions.CustomLoadBalancer"/>: chooses the loop that serves a
/// connection. Called for each connection where it is accepted, with <see cref="AcceptMode.ListenerPerLoop"/> by
/// several threads at once; it must not block.
/// </summary>
/// <param name="context">The connection and the loops.</param>
/// <returns>
/// The number of a loop, from 0 to <see cref="LoadBalancingContext.LoopCount"/> - 1. For any other, and for an
/// exception, the connection goes round robin; the first time that is logged as an error.
/// </returns>
public delegate int LoadBalancer(in LoadBalancingContext context);
