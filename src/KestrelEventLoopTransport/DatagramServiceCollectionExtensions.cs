using System.Diagnostics.CodeAnalysis;
using System.Diagnostics.Metrics;
using KestrelEventLoopTransport;
using KestrelEventLoopTransport.Datagrams;
using KestrelEventLoopTransport.Diagnostics;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Extension methods that add datagram endpoints to an application.</summary>
public static class DatagramServiceCollectionExtensions
{
    /// <summary>
    /// Adds a datagram endpoint, which runs on the same loops as the connections of the event-loop transport. It is
    /// bound when the host starts, and closed when the host stops.
    /// </summary>
    /// <remarks>
    /// Registers the transport too (<c>AddEventLoopTransport</c>). The endpoint has an object of
    /// <typeparamref name="THandler"/> of its own, created with the services, and disposed after the last call.
    /// </remarks>
    /// <typeparam name="THandler">The application's code.</typeparam>
    /// <param name="services">The services.</param>
    /// <param name="url">
    /// <c>udp://</c>, an IP address or <c>*</c>, and a port: <c>udp://127.0.0.1:5353</c>, <c>udp://[::1]:5353</c>. With
    /// <c>*</c> the endpoint receives on all addresses, IPv6 and IPv4. With port 0 the kernel chooses a port. Or a Unix
    /// datagram socket: <c>unix:/run/app.sock</c>, or with an abstract name (Linux) <c>unix:@app</c>.
    /// </param>
    /// <param name="configure">Sets the endpoint's options.</param>
    /// <returns>The same services, so that calls can be chained.</returns>
    /// <exception cref="ArgumentNullException">An argument is <see langword="null"/>.</exception>
    /// <exception cref="FormatException"><paramref name="url"/> is not such a URL.</exception>
    public static IServiceCollection AddDatagramEndpoint<
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        this IServiceCollection services,
        string url,
        Action<DatagramEndpointOptions>? configure = null)
        where THandler : DatagramHandler
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(url);

        return Add(services, url, static provider => ActivatorUtilities.CreateInstance<THandler>(provider), configure);
    }

    /// <summary>
    /// Adds a datagram endpoint whose code is one callback, called for each datagram: each datagram is one frame. The
    /// callback runs on the threads that <see cref="DatagramHandler"/> tells of, one call at a time for each socket. An
    /// exception is logged, and the next datagram is handled.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="url">The address, as in <see cref="AddDatagramEndpoint{THandler}"/>.</param>
    /// <param name="onDatagram">The application's code.</param>
    /// <param name="configure">Sets the endpoint's options.</param>
    /// <returns>The same services, so that calls can be chained.</returns>
    /// <exception cref="ArgumentNullException">An argument is <see langword="null"/>.</exception>
    /// <exception cref="FormatException"><paramref name="url"/> is not such a URL.</exception>
    public static IServiceCollection AddDatagramCallback(
        this IServiceCollection services,
        string url,
        DatagramCallback onDatagram,
        Action<DatagramEndpointOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(url);
        ArgumentNullException.ThrowIfNull(onDatagram);

        return Add(services, url, provider => new CallbackHandler(onDatagram, CreateLogger(provider)), configure);
    }

    /// <summary>
    /// Adds a datagram endpoint whose datagrams are received by asynchronous code, on the thread pool. For code that is
    /// not hot: see <see cref="DatagramReceiver"/>.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="url">The address, as in <see cref="AddDatagramEndpoint{THandler}"/>.</param>
    /// <param name="run">
    /// The application's code. Called when the endpoint is bound. The token fires when the host stops, and the host
    /// waits until the task is completed. An exception is logged.
    /// </param>
    /// <param name="configure">Sets the endpoint's options.</param>
    /// <returns>The same services, so that calls can be chained.</returns>
    /// <exception cref="ArgumentNullException">An argument is <see langword="null"/>.</exception>
    /// <exception cref="FormatException"><paramref name="url"/> is not such a URL.</exception>
    public static IServiceCollection AddDatagramReceiver(
        this IServiceCollection services,
        string url,
        Func<DatagramReceiver, CancellationToken, Task> run,
        Action<DatagramEndpointOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(url);
        ArgumentNullException.ThrowIfNull(run);

        return Add(
            services,
            url,
            provider => new ReceivingHandler(run, CreateLogger(provider)),
            configure);
    }

    private static IServiceCollection Add(
        IServiceCollection services,
        string url,
        Func<IServiceProvider, DatagramHandler> createHandler,
        Action<DatagramEndpointOptions>? configure)
    {
        var endPoint = DatagramUrl.Parse(url);
        services.TryAddSingleton(CreateConfiguration);
        services.TryAddSingleton(
            static provider => new DatagramMetrics(provider.GetRequiredService<IMeterFactory>()));
        return services.AddEventLoopTransport().AddSingleton<IHostedService>(provider => new DatagramService(
            url,
            endPoint,
            provider.GetServices<IConnectionListenerFactory>().OfType<EventLoopTransportFactory>().Last(),
            () => createHandler(provider),
            provider.GetRequiredService<DatagramConfiguration>(),
            provider.GetRequiredService<DatagramMetrics>(),
            configure));
    }

    private static DatagramConfiguration CreateConfiguration(IServiceProvider services)
    {
        var configuration = new DatagramConfiguration(services.GetService<IConfiguration>());
        services.GetService<IHostApplicationLifetime>()?.ApplicationStarted.Register(
            () => configuration.WarnOfUnused(CreateLogger(services)));
        return configuration;
    }

    private static SafeLogger CreateLogger(IServiceProvider services)
        => SafeLogger.Create(services.GetRequiredService<ILoggerFactory>(), "KestrelEventLoopTransport.Datagrams");
}
