using System.Net;
using System.Text;
using KestrelEventLoopTransport.Options.Configuration;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Tests.Sockets;

/// <summary>Options from <c>Kestrel:EventLoopTransport</c>.</summary>
[Trait("Contract", "options")]
[FailsOnStock("Options of ours.")]
public sealed class ConfigurationTests
{
    /// <summary>Every option of endpoints, without braces.</summary>
    private const string EndpointOptionsOnly = """
        "Backlog": 99,
        "ReuseAddress": false,
        "ReusePort": true,
        "ReceiveBufferSize": 1001,
        "SendBufferSize": 1002,
        "BindToDevice": "lo",
        "DualMode": false,
        "Linger": "00:00:03",
        "BusyPoll": "00:00:00.000050",
        "Priority": 4,
        "TypeOfService": 40,
        "IncomingCpu": 1,
        "MaxReadBufferSize": 5000,
        "MaxWriteBufferSize": 6000,
        "AcceptMode": "ListenerPerLoop",
        "LoadBalancingPolicy": "LeastConnections",
        "MaxConnections": 800,
        "MaxConnectionsPolicy": "Refuse",
        "TcpInfoSampling": 10,
        "TcpInfoSamplingInterval": "00:00:30",
        "AcceptBatchSize": 9,
        "TakeoverPeriod": "00:00:00.700",
        "IdleTimeout": "00:02:00",
        "ReceiveIdleTimeout": "00:02:01",
        "SendStallTimeout": "00:02:02",
        "FirstByteTimeout": "00:02:03",
        "CloseTimeout": "00:02:04",
        "MaxConnectionLifetime": "1.00:00:00",
        "FinOnError": true,
        "AllowHalfClose": true,
        "ProxyProtocol": {
          "TrustedNetworks": [ "10.0.0.0/8", "::1" ],
          "TrustUnixPeers": true,
          "UntrustedPeers": "PassAsIs",
          "Versions": "V2",
          "HeaderTimeout": "00:00:03",
          "MaxHeaderLength": 1000
        },
        "Tcp": {
          "NoDelay": false,
          "KeepAlive": { "Enabled": true, "Time": "00:01:00", "Interval": "00:00:10", "RetryCount": 3 },
          "UserTimeout": "00:00:30",
          "QuickAck": true,
          "FastOpenQueue": 16,
          "DeferAccept": "00:00:02",
          "NotSentLowWatermark": 16384,
          "CongestionControl": "reno",
          "MaximumSegmentSize": 1000
        },
        "Unix": { "FileMode": "0660", "Owner": "root", "Group": "0" }
        """;

    private const string EveryEndpointOption = $"{{ {EndpointOptionsOnly} }}";

    private const string Everything = $$"""
        {
          "Kestrel": {
            "EventLoopTransport": {
              "EventLoopCount": 3,
              "Scheduling": "ThreadPool",
              "Adaptive": { "HandOffThreshold": "00:00:00.005", "MaxStandbyThreads": 77 },
              {{EndpointOptionsOnly}}
            }
          }
        }
        """;

    private static readonly string _longPath = "/tmp/" + new string('p', 104);

    public static TheoryData<string, string, string> Wrong => new()
    {
        // Not an option: the whole key is named, wherever it is.
        { "Backlogg", "1", "Kestrel:EventLoopTransport:Backlogg is not an option of the event-loop transport." },
        { "Tcp:Foo", "1", "Kestrel:EventLoopTransport:Tcp:Foo is not an option of the event-loop transport." },
        { "Tcp:KeepAlive:Idle:Deep", "1",
            "Kestrel:EventLoopTransport:Tcp:KeepAlive:Idle:Deep is not an option of the event-loop transport." },
        { "Tcp", "yes", "Kestrel:EventLoopTransport:Tcp is not an option of the event-loop transport." },
        { "Backlog:Length", "1",
            "Kestrel:EventLoopTransport:Backlog:Length is not an option of the event-loop transport." },

        { "EndpointsOf", "x", "Kestrel:EventLoopTransport:EndpointsOf is not an option of the event-loop transport." },
        { "Backlogg", "", "Kestrel:EventLoopTransport:Backlogg is not an option of the event-loop transport." },

        // An option of another place.
        { "HandOffThreshold", "00:00:00.005",
            "Kestrel:EventLoopTransport:HandOffThreshold is not an option of the event-loop transport." },
        { "MaxStandbyThreads", "77",
            "Kestrel:EventLoopTransport:MaxStandbyThreads is not an option of the event-loop transport." },
        { "Adaptive", "x", "Kestrel:EventLoopTransport:Adaptive is not an option of the event-loop transport." },
        { "EndpointDefaults", "x",
            "Kestrel:EventLoopTransport:EndpointDefaults is not an option of the event-loop transport." },
        { "EndpointDefaults:Scheduling", "Inline",
            "Kestrel:EventLoopTransport:EndpointDefaults:Scheduling is not an option of the event-loop transport." },
        { "EndpointDefaults:Url", "http://*",
            "Kestrel:EventLoopTransport:EndpointDefaults:Url is not an option of the event-loop transport." },
        { "Endpoints:Known:EndpointDefaults:Backlog", "7",
            "Kestrel:EventLoopTransport:Endpoints:Known:EndpointDefaults:Backlog is not an option of the event-loop "
                + "transport." },

        // Code only.
        { "ConfigureListenSocket", "x",
            "Kestrel:EventLoopTransport:ConfigureListenSocket is not an option of the event-loop transport." },

        // Not of its type.
        {
            "Backlog", "many",
            "Failed to convert configuration value 'many' at 'Kestrel:EventLoopTransport:Backlog' to type "
                + "'System.Int32'."
        },
        {
            "Tcp:UserTimeout", "10s",
            "Failed to convert configuration value '10s' at 'Kestrel:EventLoopTransport:Tcp:UserTimeout' to type "
                + "'System.TimeSpan'."
        },
        {
            "Tcp:NoDelay", "1",
            "Failed to convert configuration value '1' at 'Kestrel:EventLoopTransport:Tcp:NoDelay' to type "
                + "'System.Boolean'."
        },
        {
            "Scheduling", "Magic",
            "Failed to convert configuration value 'Magic' at 'Kestrel:EventLoopTransport:Scheduling' to type "
                + "'KestrelEventLoopTransport.ApplicationScheduling'."
        },
        { "Unix:FileMode", "0888",
            "Kestrel:EventLoopTransport:Unix:FileMode is '0888'; it must be from 000 to 777 (octal)." },
        { "Unix:FileMode", "777777777777",
            "Kestrel:EventLoopTransport:Unix:FileMode is '777777777777'; it must be from 000 to 777 (octal)." },
        {
            "Unix:FileMode", "rw-rw----",
            "Failed to convert configuration value 'rw-rw----' at 'Kestrel:EventLoopTransport:Unix:FileMode' to "
                + "type 'System.IO.UnixFileMode'."
        },

        // Out of range.
        { "Backlog", "0", "EventLoopTransportOptions.EndpointDefaults.Backlog is 0; it must be from 1 to 2147483647." },
        { "Unix:FileMode", "1777",
            "EventLoopTransportOptions.EndpointDefaults.Unix.FileMode is 1777 (octal); "
                + "it must be from 000 to 777 (octal)." },

        // Times are as everywhere in .NET: a plain number is days.
        {
            "Linger", "5",
            "EventLoopTransportOptions.EndpointDefaults.Linger is 5.00:00:00; "
                + "it must be a whole number of seconds from 0 to 65535."
        },

        // Endpoints.
        {
            "Endpoints:Api:Backlog", "5",
            "Kestrel:EventLoopTransport:Endpoints:Api configures an endpoint that has no URL. Set "
                + "Kestrel:EventLoopTransport:Endpoints:Api:Url or Kestrel:Endpoints:Api:Url."
        },
        { "Endpoints", "x",
            "Kestrel:EventLoopTransport:Endpoints is 'x'; it must be a section with one section per endpoint." },
        {
            "Endpoints:Api:Url", "http://127.0.0.1:99999",
            "Kestrel:EventLoopTransport:Endpoints:Api: Invalid url: 'http://127.0.0.1:99999'. The port must be from "
                + "0 to 65535; the path of a Unix socket has at most 107 bytes."
        },
        {
            "Endpoints:Api:Url", "http://unix:" + _longPath,
            $"Kestrel:EventLoopTransport:Endpoints:Api: Invalid url: 'http://unix:{_longPath}'. The port must be "
                + $"from 0 to 65535; the path of a Unix socket has at most 107 bytes."
        },
        { "Endpoints:Api:Url", "localhost", "Kestrel:EventLoopTransport:Endpoints:Api: Invalid url: 'localhost'" },
        { "Endpoints:Known:EventLoopCount", "2",
            "Kestrel:EventLoopTransport:Endpoints:Known:EventLoopCount is not an option of the event-loop transport." },
        {
            "Endpoints:Known:Tcp:UserTimeout", "x",
            "Failed to convert configuration value 'x' at "
                + "'Kestrel:EventLoopTransport:Endpoints:Known:Tcp:UserTimeout' to type 'System.TimeSpan'."
        },
        {
            "Endpoints:Known:Backlog", "-3",
            "EndpointOptions.Backlog of Kestrel:EventLoopTransport:Endpoints:Known is -3; "
                + "it must be from 1 to 2147483647."
        },
        { "Endpoints:Known:Unix:FileMode", "9",
            "Kestrel:EventLoopTransport:Endpoints:Known:Unix:FileMode is '9'; it must be from 000 to 777 (octal)." },
    };

    [Fact]
    public void Every_option_is_bound()
    {
        var options = ReadJson(Everything);

        Assert.Equal(3, options.EventLoopCount);
        Assert.Equal(ApplicationScheduling.ThreadPool, options.Scheduling);
        Assert.Equal(TimeSpan.FromMilliseconds(5), options.Adaptive.HandOffThreshold);
        Assert.Equal(77, options.Adaptive.MaxStandbyThreads);
        AssertEverything(options.EndpointDefaults);
    }

    [Fact]
    public void Every_option_of_endpoints_is_bound_in_EndpointDefaults_too()
        => AssertEverything(ReadJson($$"""
            { "Kestrel": { "EventLoopTransport": { "EndpointDefaults": {{EveryEndpointOption}} } } }
            """).EndpointDefaults);

    [Fact]
    public void Every_option_of_endpoints_is_bound_for_a_single_one_too()
        => AssertEverything(ReadJson($$"""
            {
              "Kestrel": {
                "Endpoints": { "Api": { "Url": "http://127.0.0.1:5001" } },
                "EventLoopTransport": { "Endpoints": { "Api": {{EveryEndpointOption}} } }
              }
            }
            """).For(new IPEndPoint(IPAddress.Loopback, 5001), "Api"));

    [Fact]
    public void EndpointDefaults_wins_over_the_top_level()
    {
        var options = Read(Values(
            ("Kestrel:EventLoopTransport:Backlog", "7"),
            ("Kestrel:EventLoopTransport:EndpointDefaults:Backlog", "8"),
            ("Kestrel:EventLoopTransport:NoDelay", "true"),
            ("Kestrel:EventLoopTransport:EndpointDefaults:Tcp:NoDelay", "false"),
            ("Kestrel:EventLoopTransport:Priority", "2"),
            ("Kestrel:EventLoopTransport:EndpointDefaults:Priority", "3"),
            ("Kestrel:EventLoopTransport:Tcp:KeepAlive:RetryCount", "4"),
            ("Kestrel:EventLoopTransport:EndpointDefaults:Tcp:KeepAlive:Enabled", "true")));

        var defaults = options.EndpointDefaults;
        Assert.Equal((8, false, 3), (defaults.Backlog, defaults.Tcp.NoDelay, defaults.Priority));
        Assert.Equal((4, true), (defaults.Tcp.KeepAlive.RetryCount, defaults.Tcp.KeepAlive.Enabled));
    }

    // So that a new option cannot be forgotten above.
    [Fact]
    public void Every_public_option_is_in_the_tests_above()
    {
        using var json = new MemoryStream(Encoding.UTF8.GetBytes(Everything));
        var section = new ConfigurationBuilder().AddJsonStream(json).Build().GetSection("Kestrel:EventLoopTransport");

        AssertAll(typeof(EventLoopTransportOptions), section);
        AssertAll(typeof(EndpointOptions), section);

        static void AssertAll(Type type, IConfigurationSection section)
        {
            foreach (var property in type.GetProperties())
            {
                var nested = property.PropertyType.Namespace == "KestrelEventLoopTransport"
                    && property.PropertyType.IsClass;
                if (property.PropertyType.IsAssignableTo(typeof(Delegate))
                    || property.PropertyType == typeof(EndpointOptions)
                    || (property.Name == "NoDelay" && section.Key != "Tcp"))
                {
                    continue;
                }

                Assert.True(section.GetSection(property.Name).Exists(), $"{section.Path}:{property.Name} is missing.");
                if (nested)
                {
                    AssertAll(property.PropertyType, section.GetSection(property.Name));
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    public async Task What_is_wrong_stops_the_start_with_exactly_this_message(string key, string value, string message)
    {
        var exception = await Assert.ThrowsAsync<OptionsValidationException>(
            () => TestServer.StartAsync(new TestSettings
            {
                Scheduling = ApplicationScheduling.ThreadPool,
                Connection = Echo.RunAsync,
                Configuration = new()
                {
                    ["Kestrel:Endpoints:Known:Url"] = "http://127.0.0.1:5001",
                    ["Kestrel:EventLoopTransport:" + key] = value,
                },
            }));

        Assert.Equal(message, exception.Message);
    }

    [Fact]
    public void Every_unknown_key_is_named_at_once()
    {
        var exception = Assert.Throws<OptionsValidationException>(() => Read(Values(
            ("Kestrel:EventLoopTransport:B", "1"),
            ("Kestrel:EventLoopTransport:A", "1"))));

        Assert.Equal(
            ["Kestrel:EventLoopTransport:A is not an option of the event-loop transport.",
                "Kestrel:EventLoopTransport:B is not an option of the event-loop transport."],
            exception.Failures);
    }

    [Fact]
    public void Keys_are_case_insensitive_and_other_sections_are_not_looked_at()
    {
        var options = Read(Values(
            ("kestrel:eventlooptransport:tcp:nodelay", "FALSE"),
            ("kestrel:eventlooptransport:unix:filemode", "600"),
            ("Kestrel:Limits:MaxConcurrentConnections", "5"),
            ("Kestrel:EventLoopTransports:Backlog", "x"),
            ("Backlog", "x")));

        Assert.False(options.EndpointDefaults.Tcp.NoDelay);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, options.EndpointDefaults.Unix.FileMode);
        Assert.Equal(512, options.Backlog);
    }

    [Theory]
    [InlineData(" 400")]
    [InlineData("0400 ")]
    public void Space_around_a_file_mode_does_not_make_it_decimal(string mode)
        => Assert.Equal(
            UnixFileMode.UserRead,
            Read(Values(("Kestrel:EventLoopTransport:Unix:FileMode", mode))).EndpointDefaults.Unix.FileMode);

    [Fact]
    public void Names_of_file_modes_are_understood_too()
    {
        var options = Read(Values(("Kestrel:EventLoopTransport:Unix:FileMode", "UserRead, GroupWrite")));

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.GroupWrite, options.EndpointDefaults.Unix.FileMode);
    }

    [Fact]
    public void Code_has_the_last_word()
    {
        var options = Read(
            Values(
                ("Kestrel:EventLoopTransport:Backlog", "7"),
                ("Kestrel:EventLoopTransport:Priority", "3"),
                ("Kestrel:EventLoopTransport:Endpoints:A:Url", "http://127.0.0.1:5001"),
                ("Kestrel:EventLoopTransport:Endpoints:A:Backlog", "8"),
                ("Kestrel:EventLoopTransport:Endpoints:A:Priority", "4")),
            static web => web.UseEventLoopTransport(static options =>
            {
                options.Backlog = 9;
                options.ConfigureEndpoint("http://127.0.0.1:5001", static endPoint => endPoint.Backlog = 10);
            }));

        Assert.Equal((9, 3), (options.Backlog, options.EndpointDefaults.Priority));
        var endPoint = options.For(new IPEndPoint(IPAddress.Loopback, 5001));
        Assert.Equal((10, 4), (endPoint.Backlog, endPoint.Priority));
        Assert.Equal(9, options.For(new IPEndPoint(IPAddress.Loopback, 5002)).Backlog);
    }

    // Kestrel binds again when the configuration of its endpoints changes; nobody validates anything then.
    [Fact]
    public void Values_of_an_endpoint_stay_as_they_were_at_the_start()
    {
        var configuration = Values(
            ("Kestrel:EventLoopTransport:Endpoints:A:Url", "http://127.0.0.1:5001"),
            ("Kestrel:EventLoopTransport:Endpoints:A:AcceptBatchSize", "8"));
        var options = Read(configuration);

        configuration["Kestrel:EventLoopTransport:Endpoints:A:AcceptBatchSize"] = "0";
        configuration["Kestrel:EventLoopTransport:Endpoints:A:Backlogg"] = "0";

        for (var i = 0; i < 2; i++)
        {
            Assert.Equal(8, options.For(new IPEndPoint(IPAddress.Loopback, 5001)).AcceptBatchSize);
        }
    }

    [Fact]
    public async Task Options_of_an_endpoint_that_the_server_does_not_have_are_warned_of()
    {
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.ThreadPool,
            Connection = Echo.RunAsync,
            Transport = static options =>
            {
                options.ConfigureEndpoint("http://127.0.0.1:0", static endPoint => endPoint.Backlog = 5);
                options.ConfigureEndpoint("http://127.0.0.1:5001", static endPoint => endPoint.Backlog = 5);
                options.ConfigureEndpoint("http://localhost:0", static endPoint => endPoint.Backlog = 5);
            },
            Configuration = new()
            {
                ["Kestrel:Endpoints:Unread:Url"] = "http://127.0.0.1:5002",
                ["Kestrel:EventLoopTransport:Endpoints:Unread:Backlog"] = "5",
            },
        });

        Assert.Equal(
            [
                "The options of Kestrel:EventLoopTransport:Endpoints:Unread have no effect because the server "
                    + "has not bound that endpoint.",
                "The options of http://127.0.0.1:5001 have no effect because the server has not bound that endpoint.",
            ],
            server.Logs.Entries.Where(static entry => entry.EventId.Name == "EndPointNotBound")
                .Select(static entry => entry.Message));
    }

    [Fact]
    public void Registering_the_transport_twice_reads_the_configuration_once()
    {
        var options = Read(Values(("Kestrel:EventLoopTransport:Backlog", "7")), static web =>
        {
            web.UseEventLoopTransport(static options => options.Backlog = 9);
            web.UseEventLoopTransport();
        });

        Assert.Equal(9, options.Backlog);
    }

    // From appsettings.json to the kernel, through Kestrel's own endpoints.
    [Fact]
    public async Task Endpoints_of_Kestrels_configuration_have_their_own_options()
    {
        using var path = new SocketPath();
        await using var server = await TestServer.StartAsync(new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            EndPoint = null,
            Configuration = new()
            {
                ["Kestrel:Endpoints:One:Url"] = "http://127.0.0.1:0",
                ["Kestrel:Endpoints:Two:Url"] = "http://127.0.0.2:0",
                ["Kestrel:Endpoints:Three:Url"] = "http://unix:" + path.Path,
                ["Kestrel:EventLoopTransport:Priority"] = "1",
                ["Kestrel:EventLoopTransport:Endpoints:One:Priority"] = "2",
                ["Kestrel:EventLoopTransport:Endpoints:Three:SendBufferSize"] = "50000",
                ["Kestrel:EventLoopTransport:Endpoints:Three:Unix:FileMode"] = "600",
            },
            Kestrel = static kestrel => kestrel.Configure(
                kestrel.ApplicationServices.GetRequiredService<IConfiguration>().GetSection("Kestrel")),
        });

        var endPoints =
            server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses
            .Where(static address => !address.Contains("unix", StringComparison.Ordinal))
            .Select(static address => new Uri(address))
            .ToDictionary(static uri => uri.Host, static uri => IPEndPoint.Parse(uri.Authority));
        Assert.Equal(2, Libc.GetSocketOption(
            Assert.Single(ListeningSockets.FindDescriptors(endPoints["127.0.0.1"])),
            Libc.SOL_SOCKET,
            Libc.SO_PRIORITY));
        Assert.Equal(1, Libc.GetSocketOption(
            Assert.Single(ListeningSockets.FindDescriptors(endPoints["127.0.0.2"])),
            Libc.SOL_SOCKET,
            Libc.SO_PRIORITY));
        Assert.Equal(
            100_000,
            Libc.GetSocketOption(ListeningSockets.FindUnixDescriptor(path.Path), Libc.SOL_SOCKET, Libc.SO_SNDBUF));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path.Path));
    }

    [Theory]
    [InlineData("http://127.0.0.1:5000", "127.0.0.1:5000")]
    [InlineData("https://[::1]:5000", "[::1]:5000")]
    [InlineData("http://localhost:5000", "127.0.0.1:5000 [::1]:5000")]
    [InlineData("http://app.LocalHost:5000", "127.0.0.1:5000 [::1]:5000")]
    [InlineData("http://localhost.example:5000", "[::]:5000 0.0.0.0:5000")]
    [InlineData("http://LocalHost:5000", "127.0.0.1:5000 [::1]:5000")]
    [InlineData("http://*:5000", "[::]:5000 0.0.0.0:5000")]
    [InlineData("http://+", "[::]:80 0.0.0.0:80")]
    [InlineData("https://example.org", "[::]:443 0.0.0.0:443")]
    [InlineData("http://0.0.0.0:5000", "0.0.0.0:5000")]
    [InlineData("http://unix:/run/app.sock", "/run/app.sock")]
    [InlineData("http://unix:@name", "[::]:80 0.0.0.0:80")]
    public void A_URL_means_what_Kestrel_binds_to_for_it(string url, string endPoints)
    {
        var found = EndpointOverride.EndPointsOf(url).Select(static endPoint => endPoint.ToString());

        Assert.Equal(endPoints, string.Join(' ', found));
    }

    [Fact]
    public void A_URL_of_its_own_comes_before_Kestrels_and_its_key_may_be_written_in_any_case()
    {
        var options = Read(Values(
            ("Kestrel:Endpoints:Api:Url", "http://127.0.0.1:5001"),
            ("Kestrel:EventLoopTransport:Endpoints:Api:url", "http://127.0.0.1:5002"),
            ("Kestrel:EventLoopTransport:Endpoints:Api:Backlog", "7")));

        Assert.NotEqual(7, options.For(new IPEndPoint(IPAddress.Loopback, 5001)).Backlog);
        Assert.Equal(7, options.For(new IPEndPoint(IPAddress.Loopback, 5002)).Backlog);
    }

    [Fact]
    public void An_empty_file_mode_is_none()
        => Assert.Null(Read(Values(("Kestrel:EventLoopTransport:Unix:FileMode", ""))).EndpointDefaults.Unix.FileMode);

    private static void AssertEverything(EndpointOptions options)
    {
        Assert.Equal(99, options.Backlog);
        Assert.False(options.ReuseAddress);
        Assert.True(options.ReusePort);
        Assert.Equal(1001, options.ReceiveBufferSize);
        Assert.Equal(1002, options.SendBufferSize);
        Assert.Equal("lo", options.BindToDevice);
        Assert.False(options.DualMode);
        Assert.Equal(TimeSpan.FromSeconds(3), options.Linger);
        Assert.Equal(TimeSpan.FromMicroseconds(50), options.BusyPoll);
        Assert.Equal(4, options.Priority);
        Assert.Equal(40, options.TypeOfService);
        Assert.Equal(1, options.IncomingCpu);
        Assert.Equal(5000, options.MaxReadBufferSize);
        Assert.Equal(6000, options.MaxWriteBufferSize);
        Assert.Equal(AcceptMode.ListenerPerLoop, options.AcceptMode);
        Assert.Equal(LoadBalancingPolicy.LeastConnections, options.LoadBalancingPolicy);
        Assert.Equal(800, options.MaxConnections);
        Assert.Equal(MaxConnectionsPolicy.Refuse, options.MaxConnectionsPolicy);
        Assert.Equal(10, options.TcpInfoSampling);
        Assert.Equal(TimeSpan.FromSeconds(30), options.TcpInfoSamplingInterval);
        Assert.Equal(9, options.AcceptBatchSize);
        Assert.Equal(TimeSpan.FromMilliseconds(700), options.TakeoverPeriod);
        Assert.Equal(TimeSpan.FromSeconds(120), options.IdleTimeout);
        Assert.Equal(TimeSpan.FromSeconds(121), options.ReceiveIdleTimeout);
        Assert.Equal(TimeSpan.FromSeconds(122), options.SendStallTimeout);
        Assert.Equal(TimeSpan.FromSeconds(123), options.FirstByteTimeout);
        Assert.Equal(TimeSpan.FromSeconds(124), options.CloseTimeout);
        Assert.Equal(TimeSpan.FromDays(1), options.MaxConnectionLifetime);
        Assert.True(options.FinOnError);
        Assert.True(options.AllowHalfClose);
        Assert.NotNull(options.ProxyProtocol);
        Assert.Equal(["10.0.0.0/8", "::1"], options.ProxyProtocol.TrustedNetworks.Distinct());
        Assert.True(options.ProxyProtocol.TrustUnixPeers);
        Assert.Equal(UntrustedPeerPolicy.PassAsIs, options.ProxyProtocol.UntrustedPeers);
        Assert.Equal(ProxyProtocolVersions.V2, options.ProxyProtocol.Versions);
        Assert.Equal(TimeSpan.FromSeconds(3), options.ProxyProtocol.HeaderTimeout);
        Assert.Equal(1000, options.ProxyProtocol.MaxHeaderLength);
        Assert.False(options.Tcp.NoDelay);
        Assert.True(options.Tcp.KeepAlive.Enabled);
        Assert.Equal(TimeSpan.FromMinutes(1), options.Tcp.KeepAlive.Time);
        Assert.Equal(TimeSpan.FromSeconds(10), options.Tcp.KeepAlive.Interval);
        Assert.Equal(3, options.Tcp.KeepAlive.RetryCount);
        Assert.Equal(TimeSpan.FromSeconds(30), options.Tcp.UserTimeout);
        Assert.True(options.Tcp.QuickAck);
        Assert.Equal(16, options.Tcp.FastOpenQueue);
        Assert.Equal(TimeSpan.FromSeconds(2), options.Tcp.DeferAccept);
        Assert.Equal(16384, options.Tcp.NotSentLowWatermark);
        Assert.Equal("reno", options.Tcp.CongestionControl);
        Assert.Equal(1000, options.Tcp.MaximumSegmentSize);
        Assert.Equal((UnixFileMode)0b110_110_000, options.Unix.FileMode);
        Assert.Equal("root", options.Unix.Owner);
        Assert.Equal("0", options.Unix.Group);
    }

    private static EventLoopTransportOptions ReadJson(string json)
    {
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes(json));
        return Read(new ConfigurationBuilder().AddJsonStream(stream).Build());
    }

    private static IConfigurationRoot Values(params ReadOnlySpan<(string Key, string Value)> values)
    {
        var data = new Dictionary<string, string?>();
        foreach (var (key, value) in values)
        {
            data[key] = value;
        }

        return new ConfigurationBuilder().AddInMemoryCollection(data).Build();
    }

    // Not by TestSettings, which sets options in code.
    private static EventLoopTransportOptions Read(
        IConfiguration configuration, Action<IWebHostBuilder>? register = null)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Configuration.AddConfiguration(configuration);
        builder.WebHost.UseKestrelCore();
        register ??= static web => web.UseEventLoopTransport();
        register(builder.WebHost);
        using var application = builder.Build() as IDisposable;
        return ((WebApplication)application!).Services.GetRequiredService<IOptions<EventLoopTransportOptions>>().Value;
    }
}
