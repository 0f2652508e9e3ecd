using System.Net;
using KestrelEventLoopTransport.Options.Configuration;

namespace KestrelEventLoopTransport;

/// <summary>
/// Options of the event-loop transport.
/// </summary>
/// <remarks>
/// <para>
/// The configuration section <c>Kestrel:EventLoopTransport</c> is applied first, then code. The section has the same
/// structure as this class. Options of <see cref="EndpointDefaults"/> may also stand at the top level of the section,
/// as in <c>Kestrel:EventLoopTransport:Tcp:NoDelay</c>. If one is set in both places, the one in
/// <c>Kestrel:EventLoopTransport:EndpointDefaults</c> wins.
/// </para>
/// <para>
/// Options of a single endpoint are set with <see cref="ConfigureEndpoint(string, Action{EndpointOptions})"/>, or in
/// <c>Kestrel:EventLoopTransport:Endpoints:{name}</c>, where <c>{name}</c> is the name of an endpoint in
/// <c>Kestrel:Endpoints</c>, or the section has a <c>Url</c> of its own.
/// </para>
/// <para>
/// The options are read when the server starts. If the configuration is reloaded, an endpoint that Kestrel binds after
/// that (because its URL has changed, for example) gets the new options of its name. An endpoint that stays bound keeps
/// its options, and the options of loops never change. If the new options are not valid, the last valid options stay in
/// use and an error is logged; an endpoint whose section is new is not bound in that case.
/// </para>
/// <para>
/// A value out of range stops the application at start with an
/// <see cref="Microsoft.Extensions.Options.OptionsValidationException"/>. Its message contains the option, the value
/// and the range.
/// </para>
/// <para>
/// Four options of Kestrel's <c>SocketTransportOptions</c> can be set here under the same names, so that code written
/// for <c>UseSockets</c> still compiles: <see cref="Backlog"/>, <see cref="NoDelay"/>, <see cref="MaxReadBufferSize"/>
/// and <see cref="MaxWriteBufferSize"/>. The others have counterparts: <see cref="EventLoopCount"/> replaces
/// <c>IOQueueCount</c>, <see cref="Scheduling"/> replaces <c>UnsafePreferInlineScheduling</c>, and
/// <see cref="EndpointOptions.ConfigureListenSocket"/> replaces <c>CreateBoundListenSocket</c>.
/// <c>WaitForDataBeforeAllocatingBuffer</c> has none: the transport always waits for data before it rents a buffer.
/// </para>
/// </remarks>
public sealed class EventLoopTransportOptions
{
    private readonly List<EndpointOverride> _overrides = [];

    /// <summary>
    /// Number of event loops. Each loop has one thread and one poller. From 1 to 1024. Default: the number of
    /// processors available to the process (<see cref="Environment.ProcessorCount"/>, which respects affinity and
    /// cgroup limits).
    /// </summary>
    public int EventLoopCount { get; set; } = Math.Clamp(Environment.ProcessorCount, 1, 1024);

    /// <summary>
    /// Which thread runs the application. Default: <see cref="ApplicationScheduling.Adaptive"/>.
    /// </summary>
    public ApplicationScheduling Scheduling { get; set; } = ApplicationScheduling.Adaptive;

    /// <summary>Options of <see cref="ApplicationScheduling.Adaptive"/>.</summary>
    public AdaptiveSchedulingOptions Adaptive { get; } = new();

    /// <summary>
    /// Options of every endpoint. <see cref="ConfigureEndpoint(string, Action{EndpointOptions})"/> changes them for a
    /// single endpoint.
    /// </summary>
    public EndpointOptions EndpointDefaults { get; private init; } = new();

    /// <summary>
    /// The same as <see cref="EndpointOptions.Backlog"/> of <see cref="EndpointDefaults"/>. Here for source
    /// compatibility with <c>SocketTransportOptions</c>. At least 1. Default: 512.
    /// </summary>
    public int Backlog
    {
        get => EndpointDefaults.Backlog;
        set => EndpointDefaults.Backlog = value;
    }

    /// <summary>
    /// The same as <see cref="TcpSocketOptions.NoDelay"/> of <see cref="EndpointDefaults"/>. Here for source
    /// compatibility with <c>SocketTransportOptions</c>. Default: <see langword="true"/>.
    /// </summary>
    public bool NoDelay
    {
        get => EndpointDefaults.Tcp.NoDelay;
        set => EndpointDefaults.Tcp.NoDelay = value;
    }

    /// <summary>
    /// The same as <see cref="EndpointOptions.MaxReadBufferSize"/> of <see cref="EndpointDefaults"/>. Here for source
    /// compatibility with <c>SocketTransportOptions</c>. In bytes; <see langword="null"/> or 0 means unlimited.
    /// Default: 1 MiB.
    /// </summary>
    public long? MaxReadBufferSize
    {
        get => EndpointDefaults.MaxReadBufferSize;
        set => EndpointDefaults.MaxReadBufferSize = value;
    }

    /// <summary>
    /// The same as <see cref="EndpointOptions.MaxWriteBufferSize"/> of <see cref="EndpointDefaults"/>. Here for source
    /// compatibility with <c>SocketTransportOptions</c>. In bytes; <see langword="null"/> or 0 means unlimited.
    /// Default: 64 KiB.
    /// </summary>
    public long? MaxWriteBufferSize
    {
        get => EndpointDefaults.MaxWriteBufferSize;
        set => EndpointDefaults.MaxWriteBufferSize = value;
    }

    /// <summary>The configuration that the options come from; <see langword="null"/> if there is none.</summary>
    internal OptionsSource? Source { get; set; }

    /// <summary><see cref="AdaptiveSchedulingOptions.MaxStandbyThreads"/> with its default applied.</summary>
    internal int MaxStandbyThreads => Adaptive.MaxStandbyThreads ?? Math.Max(128, EventLoopCount);

    /// <summary>
    /// Sets options of one endpoint. The options start as a copy of <see cref="EndpointDefaults"/>, so only differences
    /// need to be set. Several calls for one endpoint are applied in order.
    /// </summary>
    /// <param name="endPoint">
    /// The endpoint that Kestrel binds to, as passed to <c>KestrelServerOptions.Listen</c>. If that has port 0, pass
    /// port 0. Kestrel's <c>ListenLocalhost</c> binds to both loopback addresses, and <c>ListenAnyIP</c> to <c>[::]</c>
    /// or, without IPv6, to <c>0.0.0.0</c>: for these, use
    /// <see cref="ConfigureEndpoint(string, Action{EndpointOptions})"/>, which covers all of them.
    /// </param>
    /// <param name="configure">
    /// Sets the options. It is called more than once: when the server starts, and when Kestrel binds the endpoint again
    /// after a reload of the configuration.
    /// </param>
    /// <exception cref="ArgumentNullException">An argument is <see langword="null"/>.</exception>
    public void ConfigureEndpoint(EndPoint endPoint, Action<EndpointOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        ArgumentNullException.ThrowIfNull(configure);

        _overrides.Add(new EndpointOverride(endPoint.ToString() ?? "", KestrelName: null, [endPoint], configure));
    }

    /// <summary>
    /// Sets options of the endpoints that Kestrel binds for a URL. The options start as a copy of
    /// <see cref="EndpointDefaults"/>, so only differences need to be set. Several calls for one endpoint are applied
    /// in order.
    /// </summary>
    /// <param name="url">
    /// A URL as in <c>--urls</c> and <c>Kestrel:Endpoints</c>: <c>http://127.0.0.1:5000</c>,
    /// <c>https://localhost:5001</c> (both loopback addresses), <c>http://*:80</c> (any address),
    /// <c>http://unix:/run/app.sock</c>. Its scheme and path are ignored.
    /// </param>
    /// <param name="configure">
    /// Sets the options. It is called more than once: when the server starts, and when Kestrel binds the endpoint again
    /// after a reload of the configuration.
    /// </param>
    /// <exception cref="ArgumentNullException">An argument is <see langword="null"/>.</exception>
    /// <exception cref="FormatException"><paramref name="url"/> is not such a URL.</exception>
    public void ConfigureEndpoint(string url, Action<EndpointOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(url);
        ArgumentNullException.ThrowIfNull(configure);

        ConfigureEndpoint(url, name: url, kestrelName: null, configure);
    }

    /// <summary>Sets options of the endpoints of a URL that messages call by another name.</summary>
    /// <param name="url">The URL that Kestrel binds to.</param>
    /// <param name="name">What messages call it.</param>
    /// <param name="kestrelName">Its name in Kestrel's configuration, if it goes by that name.</param>
    /// <param name="configure">Sets the options.</param>
    internal void ConfigureEndpoint(string url, string name, string? kestrelName, Action<EndpointOptions> configure)
        => _overrides.Add(new EndpointOverride(name, kestrelName, EndpointOverride.EndPointsOf(url), configure));

    /// <summary>
    /// Returns the options of single endpoints, in the order in which they are applied. A method, because the generator
    /// of the configuration binder warns of a property of this type, even if it is internal.
    /// </summary>
    internal IReadOnlyList<EndpointOverride> GetOverrides() => _overrides;

    /// <summary>Returns options of the same loops, with other options of endpoints.</summary>
    internal EventLoopTransportOptions With(EndpointOptions endpoints) => new()
    {
        EventLoopCount = EventLoopCount,
        EndpointDefaults = endpoints.Copy(),
    };

    /// <summary>Returns a copy of the defaults with the options of one endpoint applied.</summary>
    /// <param name="endPoint">The endpoint to bind to.</param>
    /// <param name="name">Its name in Kestrel's configuration, if it has one.</param>
    internal EndpointOptions For(EndPoint endPoint, string? name = null)
    {
        var result = EndpointDefaults.Copy();
        foreach (var configured in _overrides)
        {
            if (configured.AppliesTo(endPoint, name))
            {
                configured.Configure(result);
            }
        }

        return result;
    }
}
