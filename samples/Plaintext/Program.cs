var builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.ClearProviders();
builder.WebHost.UseEventLoopTransport();
var app = builder.Build();
app.MapGet("/plaintext", () => "Hello, World!");
app.Run();
